"""Work written in the same transaction as its cause: put, lease_next, next_due, settle, postpone, give_up.

The broker is only a doorbell: what has to be done stands here, and a sweep finds what no bell told.
"""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Index, Select, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from .database import Base

LEASE = timedelta(seconds=60)  # longer than one errand may take, see workers/jobs.py


class JobKind(StrEnum):
    """What an entry asks for; `workers/jobs.py` has a hand for each."""

    MAIL = "mail"
    SERVER_PROBE = "server_probe"
    ONBIND = "onbind"
    ROOM_TOOK = "room_took"  # whether a room took an invitation, before its mail leaves
    LIST_ROW = "list_row"  # one person of a list is invited
    REVOCATION = "revocation"  # an ended invitation leaves its room
    ROOM_LOOK = "room_look"  # a page waits for what a homeserver says of a room
    ACCOUNT = "account"  # the subject is the attempt; who typed the password waits


class Lane(StrEnum):
    """Lanes never wait for one another: two thousand invitations do not delay one code."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"
    ACCOUNTS = "accounts"  # calls to homeservers while somebody waits


class Job(Base):
    """One errand. It holds an id, never a secret and never a rendered mail."""

    __tablename__ = "outbox"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[str] = mapped_column("errand")
    lane: Mapped[str]
    subject_id: Mapped[uuid.UUID] = mapped_column(index=True)
    created_at: Mapped[datetime]  # when it became work: ordered for later, it waits for nobody yet
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)  # the fencing number of a lease as well
    last_error: Mapped[str | None]
    done_at: Mapped[datetime | None]
    gave_up_at: Mapped[datetime | None]


Index(
    "ix_outbox_waiting",
    Job.lane,
    Job.due_at,
    postgresql_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None),
    sqlite_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None),
)

WAITING = Job.done_at.is_(None) & Job.gave_up_at.is_(None)


def enqueue(
    session: Session,
    kind: JobKind,
    subject_id: uuid.UUID,
    now: datetime,
    *,
    lane: Lane,
    due_at: datetime | None = None,
) -> None:
    """Order an errand, for now or for later. It leaves with the transaction or not at all."""
    due_at = max(due_at or now, now)
    session.add(Job(kind=kind, lane=lane, subject_id=subject_id, created_at=due_at, due_at=due_at))
    session.info.setdefault("outbox_lanes", set()).add(str(lane))


def lease_next(session: Session, now: datetime, lane: Lane) -> Job | None:
    """Take the entry due longest. Nobody else sees it until the lease ends."""
    due_longest: Select[uuid.UUID] = (
        select(Job.id)
        .where(Job.lane == lane, WAITING, Job.due_at <= now)
        .order_by(Job.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)  # ignored by SQLite, where BEGIN IMMEDIATE lets one in
    )
    return session.scalars(
        update(Job)
        .where(Job.id == due_longest.scalar_subquery(), WAITING, Job.due_at <= now)
        .values(attempts=Job.attempts + 1, due_at=now + LEASE)
        .returning(Job)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def next_due(session: Session, lane: Lane) -> datetime | None:
    """When the lane has work next; in the past if it has some now. None: nothing waits."""
    return session.scalar(select(func.min(Job.due_at)).where(Job.lane == lane, WAITING))


def settle(session: Session, entry: Job, now: datetime) -> bool:
    """Done. False if the lease had ended and somebody else took the entry since."""
    return _close(session, entry, done_at=now, last_error=None)


def postpone(session: Session, entry: Job, until: datetime, error: str) -> bool:
    """Try again at `until`. False as for `settle`."""
    return _close(session, entry, due_at=until, last_error=error)


def give_up(session: Session, entry: Job, now: datetime, error: str) -> bool:
    """No further try; the entry stays, to be seen and to be retried by hand. False as for `settle`."""
    return _close(session, entry, gave_up_at=now, last_error=error)


def retry(session: Session, subject_id: uuid.UUID, now: datetime) -> int:
    """Make what waits or was given up for this subject due at once. How many entries that were."""
    entries = session.scalars(
        select(Job).where(Job.subject_id == subject_id, Job.done_at.is_(None))
    ).all()
    for entry in entries:
        entry.gave_up_at, entry.due_at = None, now
        session.info.setdefault("outbox_lanes", set()).add(entry.lane)
    return len(entries)


def bring_forward(
    session: Session,
    kind: JobKind,
    subject_id: uuid.UUID,
    *,
    lane: Lane,
    before: datetime,
    to: datetime,
) -> None:
    """What was ordered for `before`, or a moment after, is to be done earlier; what is leased goes on."""
    at_its_moment = (Job.due_at >= before) & (Job.due_at < before + LEASE / 2)
    _move(session, kind, subject_id, at_its_moment, lane=lane, created_at=to, due_at=to)


def make_due_now(
    session: Session, now: datetime, kind: JobKind, subject_id: uuid.UUID, lane: Lane
) -> None:
    """What is due in another lane is to be done in this one; what is leased goes on."""
    is_due = (Job.due_at <= now) & (Job.lane != lane)
    _move(session, kind, subject_id, is_due, lane=lane)


def _move(
    session: Session,
    kind: JobKind,
    subject_id: uuid.UUID,
    which: ColumnElement[bool],
    *,
    lane: Lane,
    **times: datetime,
) -> None:
    """One statement, for a lease that is taken meanwhile must stand: nothing is done twice."""
    moved = session.scalars(
        update(Job)
        .where(Job.subject_id == subject_id, Job.kind == kind, WAITING, which)
        .values(lane=lane, **times)
        .returning(Job.id)
        .execution_options(synchronize_session="fetch")
    )
    if moved.all():
        session.info.setdefault("outbox_lanes", set()).add(str(lane))


def of_subject(session: Session, subject_id: uuid.UUID, kind: JobKind | None = None) -> Job | None:
    """The newest entry for a subject, of one kind or of any."""
    query = select(Job).where(Job.subject_id == subject_id)
    if kind is not None:
        query = query.where(Job.kind == kind)
    return session.scalars(query.order_by(Job.created_at.desc()).limit(1)).one_or_none()


def depth(session: Session, now: datetime) -> dict[str, tuple[int, datetime]]:
    """For each lane with work: how many entries, and since when the oldest is due. Later ones do not count."""
    rows = session.execute(
        select(Job.lane, func.count(), func.min(Job.created_at))
        .where(WAITING, Job.created_at <= now)
        .group_by(Job.lane)
    )
    return {lane: (count, oldest) for lane, count, oldest in rows}


def _close(session: Session, entry: Job, **values: object) -> bool:
    changed = session.execute(
        update(Job)
        .where(Job.id == entry.id, Job.attempts == entry.attempts, WAITING)
        .values(**values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return changed.one_or_none() is not None
