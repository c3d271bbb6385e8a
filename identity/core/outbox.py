"""The outbox: jobs for the worker, written to the database in the transaction that causes them.

A worker leases the job that is due longest, does it, and settles, postpones or gives it up. Celery
only wakes the worker: a job whose message is lost is found by a periodic sweep. A lease ends after
`LEASE`; `attempts` is its fencing number, so a worker that was too slow cannot settle a job that
another one has taken over.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Integer,
    Select,
    String,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import rows, tracing
from .database import Base, UtcDateTime, wake_after_commit
from .measuring import MOST
from .personal_data import TEXT

UNCERTAIN_AT_RETRY = 2  # one that may be under way, and one before
LEASE = timedelta(seconds=60)  # longer than a job may take, see workers/jobs.py
# When a held job is due: its hold ends before that. Every database can store it in every time zone.
NOT_WHILE_HELD = datetime(9000, 1, 1, tzinfo=UTC)


class JobKind(StrEnum):
    """What is to be done; `workers/jobs.py` has a function for each kind."""

    MAIL = "mail"
    SERVER_PROBE = "server_probe"
    ONBIND = "onbind"
    ROOM_TOOK = "room_took"  # ask whether the room has the invitation, before its mail leaves
    LIST_ROW = "list_row"  # invite one person of a bulk invite
    LIST_WORK = "list_work"  # check, order or stop a long bulk invite; a page shows how far it is
    REVOCATION = "revocation"  # remove an ended invitation from its room
    ROOM_LOOK = "room_look"  # ask a homeserver about a room; a page waits for it
    ACCOUNT = "account"  # make an account; the subject is the attempt, a person waits
    LOST_INVITATION = "lost_invitation"  # take one that a backup lost out of its room
    ACCOUNT_LOOK = "account_look"  # ask whether a request became an account that a backup lost
    HEALTH = "health"  # run the checks of doctor, as an operator asks for
    JOURNAL_CHECK = "journal_check"  # verify the journal, as an operator asks for
    CHANGE_CHECK = "change_check"  # count whom a change of rules affects
    CHANGE_APPLY = "change_apply"  # count again, and publish it
    CHANGE_APPLIED = "change_applied"  # tell those who asked for what it opened
    CHANGE_REVIEW = "change_review"  # remind approvers of one that was applied without approval
    RULE_IMPORT = "rule_import"  # make a change of the lines of a file
    DOMAIN_EVIDENCE = "domain_evidence"  # ask the DNS about a domain that somebody asks for
    DOMAIN_PROOF = "domain_proof"  # look for the record by which its owner shows who they are


class Lane(StrEnum):
    """Lanes do not wait for each other: two thousand invitations do not delay a code."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"
    ACCOUNTS = "accounts"  # calls to homeservers while a person waits


class Job(Base):
    """One job. It holds the id of its subject, never a secret or a rendered mail."""

    __tablename__ = "outbox"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[str] = mapped_column("errand")
    lane: Mapped[str]
    homeserver: Mapped[str | None]  # that it calls; null: none, or of an older version
    subject_id: Mapped[uuid.UUID] = mapped_column(index=True)
    created_at: Mapped[datetime]  # the first `due_at`: a job enqueued for later does not wait yet
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)  # also the fencing number of the lease
    # Attempts whose end is not known: the one under way, and those whose worker died or was too slow
    # or lost the answer. What these did may be done twice.
    uncertain: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str | None] = mapped_column(info=TEXT)
    done_at: Mapped[datetime | None]
    gave_up_at: Mapped[datetime | None]
    # What keeps it back, such as a freeze of mails; null: nothing does. See `hold`.
    held_by: Mapped[str | None]
    held_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]  # when it was last let go
    # The id of the request with which it began, for the log.
    trace_id: Mapped[str | None] = mapped_column(default=tracing.trace_id)


Index(
    "ix_outbox_held",
    Job.held_by,
    postgresql_where=Job.held_by.is_not(None),
    sqlite_where=Job.held_by.is_not(None),
)
TO_ONE = Job.homeserver.is_not(None) & Job.done_at.is_(None)
Index(
    "ix_outbox_homeserver",
    Job.homeserver,
    Job.created_at,
    Job.id,
    postgresql_where=TO_ONE,
    sqlite_where=TO_ONE,
)
Index(
    "ix_outbox_waiting",
    Job.lane,
    Job.due_at,
    postgresql_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None),
    sqlite_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None),
)

Index(
    "ix_outbox_age",  # which of what nothing holds back has waited longest, see `find_oldest`
    Job.created_at,
    postgresql_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None) & Job.held_by.is_(None),
    sqlite_where=Job.done_at.is_(None) & Job.gave_up_at.is_(None) & Job.held_by.is_(None),
)
Index(
    "ix_outbox_measured",  # counted and looked at by every scrape of /metrics
    Job.lane,
    Job.kind,
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
    homeserver: str | None = None,
) -> None:
    """Add a job, due now or later. It exists once the transaction is committed.

    `homeserver`: the one that it calls, if that is known now.
    """
    job = new_job(kind, subject_id, now, lane=lane, due_at=due_at, homeserver=homeserver)
    session.add(job)
    wake(session, lane)


def new_job(
    kind: JobKind,
    subject_id: uuid.UUID,
    now: datetime,
    *,
    lane: Lane,
    due_at: datetime | None = None,
    homeserver: str | None = None,
) -> Job:
    """A job as `enqueue` adds it, for whoever inserts it with other rows, and calls `wake`."""
    due_at = max(due_at or now, now)
    return Job(
        kind=kind,
        lane=lane,
        homeserver=homeserver,
        subject_id=subject_id,
        created_at=due_at,
        due_at=due_at,
    )


def enqueue_all(
    session: Session,
    kind: JobKind,
    subjects: Iterable[tuple[uuid.UUID, datetime]],
    now: datetime,
    *,
    lane: Lane,
    homeserver: str | None = None,
) -> None:
    """Add a job for each subject, due at its moment: as `enqueue`, in one statement."""
    common = {"kind": kind, "lane": lane, "homeserver": homeserver}
    jobs = [
        {**common, "subject_id": subject_id, "created_at": max(at, now), "due_at": max(at, now)}
        for subject_id, at in subjects
    ]
    if jobs:
        session.execute(insert(Job), jobs)
        wake_after_commit(session, str(lane))


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


def wake(session: Session, lane: Lane) -> None:
    """Wake a lane after the commit, as after a hold, or for a job of `new_job`."""
    wake_after_commit(session, str(lane))


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


def release(session: Session, now: datetime, by: str) -> int:
    """Make the jobs that `by` holds due, in the order in which they were. Return how many.

    Their age counts from now, so that the time they were held does not end their tries.
    """
    lanes = session.scalars(
        update(Job)
        .where(Job.held_by == by)
        .values(held_by=None, held_at=None, due_at=Job.held_at)
        .values(created_at=now, released_at=now)
        .returning(Job.lane)
        .execution_options(synchronize_session=False)
    ).all()
    for lane in set(lanes):
        wake_after_commit(session, lane)
    return len(lanes)


def end(session: Session, now: datetime, why: str, *which: ColumnElement[bool]) -> int:
    """Give up all waiting jobs that meet these conditions, also held ones. Return how many."""
    ended = {"gave_up_at": now, "last_error": why, "held_by": None, "held_at": None}
    return rows.update(session, Job, WAITING, *which, **ended)


def end_unbegun(
    session: Session, now: datetime, why: str, *which: ColumnElement[bool]
) -> Sequence[Any]:
    """Give up waiting jobs as `end` does, but none that a worker may be carrying out.

    Returns `subject_id`, `created_at` and `released_at` of those that it gave up.
    """
    idle = select(Job.id).where(WAITING, Job.uncertain == 0, *which)
    ended = {"gave_up_at": now, "last_error": why, "held_by": None, "held_at": None}
    return session.execute(
        update(Job)
        .where(Job.id.in_(idle.with_for_update(skip_locked=True)))
        .values(**ended)
        .returning(Job.subject_id, Job.created_at, Job.released_at)
        .execution_options(synchronize_session=False)
    ).all()


def count_held(session: Session) -> dict[str, int]:
    """How many jobs each hold keeps back."""
    found = session.execute(
        select(Job.held_by, func.count()).where(Job.held_by.is_not(None)).group_by(Job.held_by)
    )
    return {by: count for by, count in found if by is not None}


def retry(session: Session, subject_id: uuid.UUID, now: datetime) -> int:
    """Make the waiting and given-up jobs of a subject due now. Return how many there are.

    What holds a job is asked again then.
    """
    jobs = session.scalars(
        select(Job).where(Job.subject_id == subject_id, Job.done_at.is_(None))
    ).all()
    retry_these(session, jobs, now)
    return len(jobs)


def retry_these(session: Session, jobs: Iterable[Job], now: datetime) -> None:
    """Make these jobs due now, as `retry` does, and no others of their subjects."""
    for job in jobs:
        job.gave_up_at, job.due_at = None, now
        job.held_by = job.held_at = None
        # It counts anew, and is known to be uncertain.
        job.uncertain = min(job.uncertain, UNCERTAIN_AT_RETRY)
        wake_after_commit(session, job.lane)


def bring_forward(
    session: Session,
    kind: JobKind,
    subject_id: uuid.UUID,
    *,
    lane: Lane,
    before: datetime,
    to: datetime,
) -> None:
    """Move a job that was enqueued for `before` (or slightly later) to `to`. A lease stays."""
    is_unleased = (Job.due_at >= before) & (Job.due_at < before + LEASE / 2)
    _move(session, kind, subject_id, is_unleased, lane=lane, created_at=to, due_at=to)


def make_due_now(
    session: Session, now: datetime, kind: JobKind, subject_id: uuid.UUID, lane: Lane
) -> None:
    """Move a due job from another lane to this one. A lease stays."""
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
    """One UPDATE, so that a job that is leased at the same moment is not done twice."""
    moved = session.scalars(
        update(Job)
        .where(Job.subject_id == subject_id, Job.kind == kind, WAITING, which)
        .values(lane=lane, **times)
        .returning(Job.id)
        .execution_options(synchronize_session="fetch")
    )
    if moved.all():
        wake_after_commit(session, str(lane))


def find_by_subject(
    session: Session, subject_id: uuid.UUID, kind: JobKind | None = None
) -> Job | None:
    """The newest job for a subject, of one kind or of any."""
    query = select(Job).where(Job.subject_id == subject_id)
    if kind is not None:
        query = query.where(Job.kind == kind)
    return session.scalar(query.order_by(Job.created_at.desc()).limit(1))


def is_given_up(session: Session, subject_id: uuid.UUID, kind: JobKind) -> bool:
    """Whether a job of this kind for a subject was given up, and none waits."""
    own = (Job.subject_id == subject_id, Job.kind == kind, Job.done_at.is_(None))
    ended = session.scalars(select(Job.gave_up_at).where(*own)).all()
    return bool(ended) and None not in ended


def supersede(session: Session, now: datetime, subject_id: uuid.UUID, kind: JobKind) -> None:
    """Let the waiting jobs of this kind for a subject be done: another is ordered in their place."""
    rows.update(session, Job, WAITING, Job.subject_id == subject_id, Job.kind == kind, done_at=now)


def is_due(session: Session, subject_id: uuid.UUID, kind: JobKind, now: datetime) -> bool:
    """Whether a job of this kind for a subject waits to be carried out, or is under way."""
    own = (Job.subject_id == subject_id, Job.kind == kind)
    return rows.is_any(session, *own, WAITING, Job.created_at <= now)


def find_by_subjects(
    session: Session, subject_ids: Iterable[uuid.UUID]
) -> dict[tuple[uuid.UUID, str], Job]:
    """The newest job of each kind for each of these subjects, in one query."""
    found = select(Job).where(Job.subject_id.in_(list(subject_ids))).order_by(Job.created_at)
    return {(job.subject_id, job.kind): job for job in session.scalars(found)}


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


def _close(session: Session, job: Job, *, is_uncertain: bool = False, **values: object) -> bool:
    own = (Job.id == job.id) & (Job.attempts == job.attempts)
    if not is_uncertain:
        values["uncertain"] = Job.uncertain - 1  # this attempt; earlier ones stay
    return rows.update(session, Job, own, WAITING, **values) > 0
