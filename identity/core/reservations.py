"""Several jobs for one worker at once: reserved together, begun one by one, the rest given back.

A reservation keeps other workers away until it ends, as a lease does, but it is no attempt: it
leaves `attempts` and `uncertain` as they are. Each attempt begins with `BEGINNING`, if the job is
still reserved. What was not begun is given back; if its worker died, it is due when the reservation
ends.

Only fresh jobs are reserved, which nobody has had before. All others are leased alone: one may have
been what its worker died of.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Final

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from . import rows
from .database import UtcDateTime
from .outbox import LEASE, WAITING, Job, JobKind, Lane

IS_FRESH: Final = (Job.attempts == 0) & (Job.due_at == Job.created_at) & Job.released_at.is_(None)

BEGINNING: Final = (
    update(Job)
    .where(
        Job.id == bindparam("reserved"),
        Job.attempts == 0,
        Job.due_at == bindparam("reserved_until"),
        WAITING,
    )
    .values(
        attempts=Job.attempts + 1,
        uncertain=Job.uncertain + 1,
        due_at=bindparam("leased_until", type_=UtcDateTime),
    )
)
"""Begins the attempt at a job that is reserved still: its lease counts from now. See `facts_of`."""


def reserve(
    session: Session, now: datetime, lane: Lane, limits: Mapping[JobKind, int]
) -> Sequence[Job]:
    """Reserve the jobs that are due longest, as long as these are fresh ones of one kind.

    `limits`: how many at most of each kind that is reserved at all. Nothing overtakes an older job
    of another kind: then there are fewer, or none.
    """
    due = session.execute(
        select(Job.id, Job.kind, IS_FRESH.label("is_fresh"))
        .where(Job.lane == lane, WAITING, Job.due_at <= now)
        .order_by(Job.due_at)
        .limit(max(limits.values()))
        .with_for_update(skip_locked=True)
    ).all()
    if not due or (kind := due[0].kind) not in limits:  # perhaps a kind of a later version
        return []
    alike = takewhile(lambda row: row.kind == kind and row.is_fresh, due)
    ids = [row.id for row in alike][: limits[kind]]
    if not ids:
        return []
    reserved = session.scalars(
        update(Job)
        .where(Job.id.in_(ids))
        .values(due_at=now + LEASE)
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    return sorted(reserved, key=lambda job: ids.index(job.id))


def facts_of(job: Job, now: datetime) -> dict[str, object]:
    """The parameters of `BEGINNING`."""
    return {"reserved": job.id, "reserved_until": job.due_at, "leased_until": now + LEASE}


def note_begun(job: Job, now: datetime) -> None:
    """`BEGINNING` did it: the job in memory is as in the database."""
    job.attempts, job.uncertain, job.due_at = job.attempts + 1, job.uncertain + 1, now + LEASE


def begin(session: Session, now: datetime, job: Job) -> bool:
    """Begin the attempt at a reserved job. False if it is reserved no more."""
    statement = BEGINNING.returning(Job.id).execution_options(synchronize_session=False)
    is_begun = session.scalar(statement, facts_of(job, now)) is not None
    if is_begun:
        note_begun(job, now)
    return is_begun


def give_back(session: Session, jobs: Sequence[Job]) -> int:
    """Make reserved jobs due again as they were. Returns how many were reserved still."""
    if not jobs:
        return 0
    return rows.update(session, Job, _is_reserved(jobs), due_at=Job.created_at)


def settle(session: Session, now: datetime, jobs: Collection[Job]) -> set[uuid.UUID]:
    """Mark first attempts as done, as `leases.settle` does. Returns the jobs that were ours still."""
    settled = session.scalars(
        update(Job)
        .where(Job.id.in_([job.id for job in jobs]), Job.attempts == 1, WAITING)
        .values(done_at=now, last_error=None, uncertain=Job.uncertain - 1)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return set(settled)


def _is_reserved(jobs: Sequence[Job]) -> ColumnElement[bool]:
    """They were reserved together, so that their reservations end at the same moment."""
    until = jobs[0].due_at
    return (
        Job.id.in_([job.id for job in jobs]) & (Job.attempts == 0) & (Job.due_at == until) & WAITING
    )
