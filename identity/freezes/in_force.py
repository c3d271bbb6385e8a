"""The freezes in force, cached in each process for what needs no database: pages, readiness.

What changes something asks the table itself (service.py).
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from identity.core.database import Database
from identity.core.waiting import about_to_wait

from . import models as freezes
from .models import Freezes

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
WAIT = 1.0  # seconds for one look, while the database is not known to be away


class FreezesInForce:
    """The cache, read anew every second; while the database is away, the last known state holds."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, look_every: float = LOOK_EVERY
    ) -> None:
        self._database, self._now, self._look_every = database, now, look_every
        self._held = Freezes()
        self._looked_at = float("-inf")
        self._looking = threading.Lock()
        self._is_away = False

    def current(self) -> Freezes:
        """What is frozen now. Before the first look at a database that is away: nothing."""
        is_due = time.monotonic() - self._looked_at >= self._look_every
        # One look at a time; the others use what is cached.
        if is_due and not self._looking.locked():
            about_to_wait()
            if self._looking.acquire(blocking=False):
                self._look_aside()
        return self._held.at(self._now())

    def _look_aside(self) -> None:
        """Look in a thread, so that nobody waits long for a database that is frozen."""
        is_done = threading.Event()
        try:
            threading.Thread(
                target=self._look, args=(is_done,), name="freezes", daemon=True
            ).start()
        except RuntimeError:  # no thread can be started any more: this process ends
            self._looking.release()
            return
        if not self._is_away and not is_done.wait(WAIT):
            self._is_away = True

    def _look(self, is_done: threading.Event) -> None:
        try:
            with self._database.reading() as session:
                self._held = freezes.find_in_force(session, self._now())
            self._is_away = False
        except SQLAlchemyError as error:
            if not self._is_away:
                log.warning("freezes: database away: %s", type(error).__name__)
            self._is_away = True
        except Exception:
            log.exception("freezes cannot be read, those before stay")
            self._is_away = True
        finally:
            self._looked_at = time.monotonic()
            self._looking.release()
            is_done.set()
