"""How a job of the outbox ends: done, to be tried again later, or given up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

RecordOutcome = Callable[[Session], None]
"""Writes the outcome of a job to the row it is about, in the transaction that settles the job."""


def record_nothing(_session: Session) -> None:
    """The outcome is recorded nowhere else than in the outbox."""


@dataclass
class Later(Exception):
    """Try again after `delay`.

    `stops_run`: the other due jobs would fail as well now. `is_uncertain`: it may have been done,
    since the answer was lost.
    """

    why: str
    delay: timedelta
    note: RecordOutcome = record_nothing
    stops_run: bool = False
    is_uncertain: bool = False


@dataclass
class GiveUp(Exception):
    """The job failed for good: no further try."""

    why: str
    note: RecordOutcome = record_nothing


class StopRun(Exception):
    """End this run of the outbox; the schedule starts the next one."""
