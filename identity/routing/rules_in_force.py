"""The rules this process decides by: the newest revision, looked for once a second, never a mixture."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from domain_rules.rules import RuleSet
from identity.core.database import Database

from . import models as rules

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds


class RulesInForce:
    """Hands out the rule set of now. One request takes it once, and so decides by one revision.

    It opens its own reading transaction, unlike the rest of this floor: it is a cache over the
    table, asked by views and tasks outside any transaction.
    """

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, look_every: float = LOOK_EVERY
    ) -> None:
        self._database, self._now, self._look_every = database, now, look_every
        self._rule_set: RuleSet | None = None
        self._looked_at = float("-inf")
        self._looking = threading.Lock()
        self.degraded = False
        """Whether the last look failed: what is served may be old."""

    def current(self) -> RuleSet:
        """The newest rule set. With the database away: the last one; raises SQLAlchemyError if there is none."""
        held = self._rule_set
        if held is None:
            with self._looking:
                return self._rule_set or self._look()
        if time.monotonic() - self._looked_at < self._look_every and not self._is_outlived(held):
            return held
        # One thread looks; the others go on with what there is.
        if self._looking.acquire(blocking=False):
            try:
                return self._look()
            except SQLAlchemyError as error:
                self.degraded = True
                self._looked_at = time.monotonic()
                log.warning(
                    "rules: database away, revision %d stays: %s",
                    held.revision,
                    type(error).__name__,
                )
            finally:
                self._looking.release()
        return held

    def _look(self) -> RuleSet:
        with self._database.reading() as session:
            number = rules.current_number(session)
            held = self._rule_set
            if held is None or held.revision != number or self._is_outlived(held):
                held = rules.load_rule_set(session, at=self._now(), revision=number)
        self._rule_set, self._looked_at, self.degraded = held, time.monotonic(), False
        return held

    def _is_outlived(self, held: RuleSet) -> bool:
        return held.changes_at is not None and self._now() >= held.changes_at
