"""Leases: a worker takes the job that is due longest, and says how it ended.

A lease ends after `outbox.LEASE`. `attempts` is its fencing number, so a worker that was too slow
cannot settle a job that another one has taken over.
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from . import rows
from .outbox import LEASE, WAITING, Job, Lane

# When a held job is due: its hold ends before that. Every database can store it in every time zone.
NOT_WHILE_HELD = datetime(9000, 1, 1, tzinfo=UTC)


def lease_next(
    session: Session, now: datetime, lane: Lane, *which: ColumnElement[bool]
) -> Job | None:
    """Lease the job that is due longest, or None. Nobody else gets it until the lease ends.

    `which`: only a job for which these conditions hold.
    """
    due_longest: Select[uuid.UUID] = (
        select(Job.id)
        .where(Job.lane == lane, WAITING, Job.due_at <= now, *which)
        .order_by(Job.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)  # SQLite ignores it: BEGIN IMMEDIATE suffices
    )
    return session.scalars(
        update(Job)
        .where(Job.id == due_longest.scalar_subquery(), WAITING, Job.due_at <= now)
        .values(attempts=Job.attempts + 1, uncertain=Job.uncertain + 1, due_at=now + LEASE)
        .returning(Job)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def next_due(session: Session, lane: Lane) -> datetime | None:
    """When the next job of a lane is due, in the past if one is due now; None without jobs."""
    return session.scalar(select(func.min(Job.due_at)).where(Job.lane == lane, WAITING))


def renew(session: Session, job: Job, now: datetime) -> bool:
    """Lengthen the lease of a job that takes long. False if another worker has taken it."""
    own = (Job.id == job.id) & (Job.attempts == job.attempts)
    return rows.update(session, Job, own, WAITING, due_at=now + LEASE) > 0


def settle(session: Session, job: Job, now: datetime) -> bool:
    """Mark a job as done. False if its lease ended and another worker has taken it."""
    return _close(session, job, done_at=now, last_error=None)


def make_certain(session: Session, job: Job) -> None:
    """It turned out how an earlier attempt ended. Call it in the transaction that settles the job."""
    rows.update(session, Job, Job.id == job.id, Job.uncertain > 0, uncertain=Job.uncertain - 1)


def postpone(
    session: Session, job: Job, until: datetime, error: str, *, is_uncertain: bool = False
) -> bool:
    """Try again at `until`. Returns False as `settle` does.

    `is_uncertain`: it may have been done, since the answer was lost.
    """
    return _close(session, job, is_uncertain=is_uncertain, due_at=until, last_error=error)


def give_up(session: Session, job: Job, now: datetime, error: str) -> bool:
    """No further try; the row stays, so that an operator can retry it. Returns as `settle` does."""
    return _close(session, job, gave_up_at=now, last_error=error)


def hold(session: Session, job: Job, now: datetime, by: str) -> bool:
    """Keep a leased job back until `release` is called for `by`. Returns as `settle` does.

    It is not carried out, does not count as overdue, and is not given up meanwhile. `by`: the kind
    of what holds it and, after a colon, its subject (`homeserver:education.example`), as in
    `problems.Stopped`.
    """
    return _close(session, job, held_by=by, held_at=now, due_at=NOT_WHILE_HELD)


def _close(session: Session, job: Job, *, is_uncertain: bool = False, **values: object) -> bool:
    own = (Job.id == job.id) & (Job.attempts == job.attempts)
    if not is_uncertain:
        values["uncertain"] = Job.uncertain - 1  # this attempt; earlier ones stay
    return rows.update(session, Job, own, WAITING, **values) > 0
