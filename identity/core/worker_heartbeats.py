"""Which workers are running, and which private halves they have.

Pages ask it before they accept a password, since a worker must be able to open it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting, rows
from .database import Base

EVERY = timedelta(seconds=10)
GONE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


class WorkerHeartbeat(Base):
    """One worker and when it was last seen."""

    __tablename__ = "worker_heartbeats"

    worker: Mapped[str] = mapped_column(primary_key=True)
    key_ids: Mapped[str]  # of its private halves, separated by commas
    seen_at: Mapped[datetime]


def record_heartbeat(
    session: Session, now: datetime, *, worker: str, key_ids: Sequence[str]
) -> None:
    """Record that this worker is running; delete those not seen for a day."""
    values = {"key_ids": ",".join(key_ids), "seen_at": now}
    session.execute(
        inserting.insert_statement(session, WorkerHeartbeat)
        .values(worker=worker, **values)
        .on_conflict_do_update(index_elements=["worker"], set_=values)
    )
    rows.delete(session, WorkerHeartbeat, WorkerHeartbeat.seen_at < now - FORGOTTEN_AFTER)


def remove_worker(session: Session, worker: str) -> None:
    """Delete a worker that stops."""
    rows.delete(session, WorkerHeartbeat, WorkerHeartbeat.worker == worker)


def find_alive(session: Session, now: datetime) -> Sequence[WorkerHeartbeat]:
    """The workers seen within the last 30 seconds."""
    return session.scalars(
        select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > now - GONE_AFTER)
    ).all()


def can_open(session: Session, now: datetime, key_id: str) -> bool:
    """Whether a running worker can open what is sealed to this key."""
    return any(key_id in each.key_ids.split(",") for each in find_alive(session, now))
