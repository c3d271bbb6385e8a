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

from . import models as freezes
from .models import Freezes

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds


class FreezesInForce:
    """The cache, read anew every second; while the database is away, the last known state holds."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, look_every: float = LOOK_EVERY
    ) -> None:
        self._database, self._now, self._look_every = database, now, look_every
        self._held = Freezes()
        self._looked_at = float("-inf")
        self._looking = threading.Lock()

    def current(self) -> Freezes:
        """What is frozen now. Before the first look at a database that is away: nothing."""
        is_due = time.monotonic() - self._looked_at >= self._look_every
        # One thread reads; the others use what is cached.
        if is_due and self._looking.acquire(blocking=False):
            try:
                with self._database.reading() as session:
                    self._held = freezes.find_in_force(session, self._now())
            except SQLAlchemyError as error:
                log.warning("freezes: database away: %s", type(error).__name__)
            finally:
                self._looked_at = time.monotonic()
                self._looking.release()
        return self._held.at(self._now())
