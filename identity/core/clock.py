"""The one place that reads the system clock; everything else gets the time as a parameter."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  this is the one place
