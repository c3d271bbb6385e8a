"""Workers that live, and which private halves they have: without one that opens it no password is taken."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting
from .database import Base

EVERY = timedelta(seconds=10)
GONE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


class WorkerHeartbeat(Base):
    """One worker, as it was last seen."""

    __tablename__ = "worker_heartbeats"

    worker: Mapped[str] = mapped_column(primary_key=True)
    key_ids: Mapped[str]  # of its private halves, with commas
    seen_at: Mapped[datetime]


def beat(session: Session, now: datetime, *, worker: str, key_ids: Sequence[str]) -> None:
    """Write that this worker lives; forget those that are long gone."""
    values = {"key_ids": ",".join(key_ids), "seen_at": now}
    session.execute(
        inserting.insert(session, WorkerHeartbeat)
        .values(worker=worker, **values)
        .on_conflict_do_update(index_elements=["worker"], set_=values)
    )
    session.execute(
        delete(WorkerHeartbeat)
        .where(WorkerHeartbeat.seen_at < now - FORGOTTEN_AFTER)
        .execution_options(synchronize_session=False)
    )


def end(session: Session, worker: str) -> None:
    """This worker stops."""
    session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == worker))


def alive(session: Session, now: datetime) -> list[WorkerHeartbeat]:
    return list(
        session.scalars(select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > now - GONE_AFTER))
    )


def one_opens(session: Session, now: datetime, key_id: str) -> bool:
    """Whether a worker lives that opens what is sealed to this key."""
    return any(key_id in each.key_ids.split(",") for each in alive(session, now))
