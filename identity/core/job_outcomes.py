"""How an errand ends: done, later, or given up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

Note = Callable[[Session], None]
"""Writes how the errand ended onto the row it was about, in the transaction that settles the entry."""


def nothing(_session: Session) -> None:
    """There is nothing to note."""


@dataclass
class Later(Exception):
    """Try again after `delay`. `stops_run`: whatever else is due would meet the same fate now."""

    why: str
    delay: timedelta
    note: Note = nothing
    stops_run: bool = False


@dataclass
class GiveUp(Exception):
    """No further try."""

    why: str
    note: Note = nothing


class StopRun(Exception):
    """End this run; the timetable begins the next."""
