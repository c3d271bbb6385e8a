"""The one place that reads the system clock; everything else gets the time as a parameter."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  this is the one place


def iso_time(moment: datetime | None) -> str | None:
    """A moment as programs read it, in whole seconds; None for none."""
    return moment.isoformat(timespec="seconds") if moment else None


TOLERANCE = timedelta(seconds=2)
"""A smaller difference of clocks is left alone: measuring it is not exact, and nothing needs it."""


@dataclass
class ClockOffset:
    """How far the clock of this machine is ahead of the database's, as last measured.

    `applied`: what is taken off the time of the machine, so that all machines have one time.
    """

    value: timedelta = timedelta()
    applied: timedelta = timedelta()

    def correct(self, measured: timedelta) -> None:
        """Record a measurement, and go by the database's clock if the difference is large."""
        self.value = measured
        if abs(measured - self.applied) >= TOLERANCE:
            self.applied = measured if abs(measured) >= TOLERANCE else timedelta()


def corrected(machine_now: Callable[[], datetime], offset: ClockOffset) -> datetime:
    """The time of the machine, corrected as far as the offset says."""
    return machine_now() - offset.applied
