"""Requests to sign in to the console by a mailed code, in the database."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS


class OperatorSignIn(Base):
    """One request of one browser. The address may be anybody's: it says nothing about operators."""

    __tablename__ = "operator_sign_ins"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mail: Mapped[str] = mapped_column(info=ADDRESS)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mail_at: Mapped[datetime | None]  # when the mail that serves it is or was sent
    device: Mapped[str]  # the browser's family; may be empty
    used_at: Mapped[datetime | None]


Index("ix_operator_sign_ins_mail", OperatorSignIn.mail, OperatorSignIn.created_at)


def find(session: Session, sign_in_id: uuid.UUID) -> OperatorSignIn | None:
    return session.get(OperatorSignIn, sign_in_id)


def has_open(session: Session, mail: str, now: datetime) -> bool:
    """Whether a browser waits for a code to this address."""
    row = OperatorSignIn
    own = (row.mail == mail, row.used_at.is_(None), row.expires_at > now)
    return session.scalar(select(row.id).where(*own).limit(1)) is not None


def find_elsewhere(
    session: Session, asked: OperatorSignIn, *, now: datetime, limit: int
) -> Sequence[OperatorSignIn]:
    """The requests of other browsers for its address that have not ended, newest first.

    Used ones are included: a person who verified nothing must not see the difference.
    """
    row = OperatorSignIn
    return session.scalars(
        select(row)
        .where(row.mail == asked.mail, row.id != asked.id, row.expires_at > now)
        .order_by(row.created_at.desc(), row.id)
        .limit(limit)
    ).all()


def mark_used(session: Session, asked: OperatorSignIn, now: datetime) -> bool:
    """Mark it used. Returns False if it was used already."""
    own = (OperatorSignIn.id == asked.id) & OperatorSignIn.used_at.is_(None)
    return rows.update(session, OperatorSignIn, own, used_at=now) > 0


def record_moved_mail(session: Session, address: str, *, was: datetime, is_now: datetime) -> None:
    """The mail due at `was` is now due at `is_now`: update all requests that wait for it."""
    own = (OperatorSignIn.mail == address) & (OperatorSignIn.mail_at == was)
    rows.update(session, OperatorSignIn, own, mail_at=is_now)


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete those whose time ended before then. Returns how many."""
    return rows.delete(session, OperatorSignIn, OperatorSignIn.expires_at < before, limit=limit)
