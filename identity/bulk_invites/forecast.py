"""When the rows of a list will be sent, by the pace at which the worker sent the last ones."""

from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import measuring, outbox
from identity.core.outbox import Job, JobKind, Lane

from . import models as bulk_invites

WINDOW = timedelta(days=1)  # what was sent earlier says nothing of today
NEWEST = 500  # rows that are looked at
LEAST = 20  # pauses between rows; fewer are no measure
IDLE = timedelta(seconds=30)  # a longer pause: there was nothing to send, or it was not possible
MOST_AHEAD = 20_000  # rows that are counted


def measured_pace(session: Session, now: datetime) -> float | None:
    """How many rows a second the worker sent lately; None if too few were sent to know.

    Rows of all lists count. Pauses without work do not.
    """
    times = bulk_invites.find_sent_times(session, now - WINDOW, limit=NEWEST)
    pauses = [later - earlier for later, earlier in pairwise(times) if later - earlier <= IDLE]
    spent = sum(pauses, timedelta()).total_seconds()
    return len(pauses) / spent if len(pauses) >= LEAST and spent else None


def expected_end(
    session: Session, now: datetime, *, wanted: int, not_before: datetime | None
) -> datetime | None:
    """When the last of the rows will be sent; None while nobody knows the pace.

    `wanted`: how many are ordered beside those that wait already. `not_before`: when the day of the
    last one begins.
    """
    pace = measured_pace(session, now)
    if pace is None:
        return None
    seconds = timedelta(seconds=(_count_ahead(session, now) + wanted) / pace)
    if not_before is not None and not_before > now:
        return max(now + seconds, not_before)
    return now + seconds


def _count_ahead(session: Session, now: datetime) -> int:
    """The rows of all lists that are due; they leave in the order of their lists."""
    due = (Job.lane == Lane.BULK) & (Job.kind == JobKind.LIST_ROW) & (Job.due_at <= now)
    ahead = measuring.count_up_to(Job, due, outbox.WAITING, most=MOST_AHEAD)
    return session.scalar(select(ahead)) or 0
