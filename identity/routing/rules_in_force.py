"""The rules in force, cached in each process and checked for a newer revision every second."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from domain_rules.rules import RuleSet
from identity.core.database import Database
from identity.core.waiting import about_to_wait
from identity.migrations import loading

from . import models as rules

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
WAIT = 1.0  # seconds that the request which begins a check waits for it


class RulesInForce:
    """The cache. A request takes the rule set once, so that it decides by one revision.

    Unlike other services it opens its own transaction: views and tasks use it outside of any.
    """

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, look_every: float = LOOK_EVERY
    ) -> None:
        self._database, self._now, self._look_every = database, now, look_every
        self._rule_set: RuleSet | None = None
        self._looked_at = float("-inf")
        self._looking = threading.Lock()
        self.degraded = False
        """Whether the last check failed, so that the rules may be outdated."""

    @property
    def revision(self) -> int | None:
        """The revision by which this process decides; None before it has loaded any."""
        return None if self._rule_set is None else self._rule_set.revision  # one may be empty

    def current(self) -> RuleSet:
        """The newest rule set, or the last one while the database is away or being loaded.

        Raises SQLAlchemyError if nothing was loaded before.
        """
        held = self._rule_set
        if held is None:
            about_to_wait()
            with self._looking:
                return self._rule_set or self._look()
        if time.monotonic() - self._looked_at < self._look_every and not self._is_outdated(held):
            return held
        # One check at a time; the other threads use the cached rule set meanwhile.
        if not self._looking.locked():
            about_to_wait()
            if self._looking.acquire(blocking=False):
                self._look_aside()
        return self._rule_set or held

    def _look_aside(self) -> None:
        """Check in a thread, so that nobody waits long for a database that is frozen."""
        is_done = threading.Event()
        try:
            threading.Thread(target=self._run, args=(is_done,), name="rules", daemon=True).start()
        except RuntimeError:  # no thread can be started any more: this process ends
            self._looking.release()
            return
        if not is_done.wait(WAIT):
            self.degraded = True

    def _run(self, is_done: threading.Event) -> None:
        try:
            self._look()
        except SQLAlchemyError as error:
            if not self.degraded:
                log.warning("rules: database away, they stay: %s", type(error).__name__)
            self.degraded = True
        except Exception:
            log.exception("rules: the newest revision cannot be loaded, the one before stays")
            self.degraded = True
        finally:
            self._looked_at = time.monotonic()
            self._looking.release()
            is_done.set()

    def _look(self) -> RuleSet:
        with self._database.reading() as session:
            number = rules.current_number(session)
            held = self._rule_set
            if held is None or held.revision != number or self._is_outdated(held):
                # A part of the rules would be kept under the number of them all.
                loading.refuse_unfinished(session)
                held = rules.load_rule_set(session, at=self._now(), revision=number)
        self._rule_set, self._looked_at, self.degraded = held, time.monotonic(), False
        return held

    def _is_outdated(self, held: RuleSet) -> bool:
        return held.changes_at is not None and self._now() >= held.changes_at
