"""What waits in the outbox: how much, for how long, and what holds it back."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, String, bindparam, func, select, text
from sqlalchemy.orm import Session

from .database import UtcDateTime
from .measuring import MOST
from .outbox import WAITING, Job, JobKind, Lane


def count_held(session: Session) -> dict[str, int]:
    """How many jobs each hold keeps back."""
    found = session.execute(
        select(Job.held_by, func.count()).where(Job.held_by.is_not(None)).group_by(Job.held_by)
    )
    return {by: count for by, count in found if by is not None}


def depth_by_lane(session: Session, now: datetime) -> dict[str, tuple[int, datetime]]:
    """For each lane: the number of due jobs, and since when the oldest is due."""
    found = session.execute(
        select(Job.lane, func.count(), func.min(Job.created_at))
        .where(WAITING, Job.held_by.is_(None), Job.created_at <= now)
        .group_by(Job.lane)
    )
    return {lane: (count, oldest) for lane, count, oldest in found}


def find_oldest(session: Session, now: datetime, *, limit: int) -> list[Job]:
    """The jobs that have waited longest, of any lane, oldest first; held ones do not count."""
    return list(session.scalars(OLDEST, {"now": now, "most": limit}))


OLDEST = (  # composed once: every probe asks
    select(Job)
    .where(WAITING, Job.held_by.is_(None), Job.created_at <= bindparam("now"))
    .order_by(Job.created_at)
    .limit(bindparam("most"))
)


@dataclass(frozen=True)
class Depth:
    """The jobs of one kind in one lane that wait or are leased, up to `measuring.MOST`."""

    lane: str
    kind: str
    jobs: int
    overdue_seconds: float  # of the job that is due longest; 0 if none is overdue


def measure(session: Session, now: datetime) -> list[Depth]:
    """How many jobs wait, and for how long the oldest is overdue; by index, and at flat cost.

    A job that is to be tried again later is not overdue, nor is one that a worker has leased.
    """
    return [
        Depth(lane, kind, jobs, max((now - due_at).total_seconds(), 0.0))
        for lane, kind, jobs, due_at in session.execute(MEASURE)
        if jobs
    ]


# Written out: SQLAlchemy would compose a statement with VALUES anew each time, for milliseconds.
_OWN = """from outbox where outbox.lane = pairs.lane and outbox.errand = pairs.kind
    and outbox.done_at is null and outbox.gave_up_at is null"""
_PAIRS = ", ".join(f"('{lane}', '{kind}')" for lane in Lane for kind in JobKind)
MEASURE = text(
    f"""with pairs(lane, kind) as (values {_PAIRS})
    select lane, kind,
    (select count(*) from (select 1 {_OWN} limit {MOST}) as waiting) as jobs,
    (select min(outbox.due_at) {_OWN}) as due_at
    from pairs"""  # noqa: S608  of names of ours only
).columns(lane=String, kind=String, jobs=Integer, due_at=UtcDateTime)
