"""The one place that reads the system clock; everything else gets the time as a parameter."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  this is the one place


@dataclass
class ClockOffset:
    """How far the clock of this machine is ahead of the database's, as last measured."""

    value: timedelta = timedelta()
