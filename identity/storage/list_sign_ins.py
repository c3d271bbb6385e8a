"""Who wants to see their lists: a code was mailed, or not; the browser that asked types it."""

import uuid
from datetime import datetime

from sqlalchemy import Index, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from .database import Base


class ListSignIn(Base):
    """One request. Without a user ID no mail was sent, and no code is right."""

    __tablename__ = "list_sign_ins"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str]
    user_id: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    tries_left: Mapped[int]
    used_at: Mapped[datetime | None]


Index("ix_list_sign_ins_address", ListSignIn.address, ListSignIn.created_at)


def find(session: Session, sign_in_id: uuid.UUID) -> ListSignIn | None:
    return session.get(ListSignIn, sign_in_id)


def asked_times(session: Session, address: str, since: datetime) -> list[datetime]:
    """When codes were asked for this address, newest first; those that were not mailed count too."""
    return list(
        session.scalars(
            select(ListSignIn.created_at)
            .where(ListSignIn.address == address, ListSignIn.created_at > since)
            .order_by(ListSignIn.created_at.desc())
        )
    )


def spend_try(session: Session, sign_in: ListSignIn) -> int | None:
    """Count a try. How many are left after it, or None if there was none."""
    return session.scalar(
        update(ListSignIn)
        .where(ListSignIn.id == sign_in.id, ListSignIn.tries_left > 0)
        .values(tries_left=ListSignIn.tries_left - 1)
        .returning(ListSignIn.tries_left)
        .execution_options(synchronize_session=False)
    )


def use(session: Session, sign_in: ListSignIn, now: datetime) -> bool:
    """A code works once. False: it has."""
    won = session.scalar(
        update(ListSignIn)
        .where(ListSignIn.id == sign_in.id, ListSignIn.used_at.is_(None))
        .values(used_at=now)
        .returning(ListSignIn.id)
        .execution_options(synchronize_session=False)
    )
    return won is not None


def forget(session: Session, before: datetime) -> int:
    """Delete those made before then. How many that were."""
    old = ListSignIn.created_at < before
    count = session.scalar(select(func.count()).where(old)) or 0
    session.execute(delete(ListSignIn).where(old))
    return count
