"""Requests to sign in to bulk invites by a mailed code, in the database."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Index, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, USER_ID


class BulkInviteSignIn(Base):
    """One request of one browser. Its user is known once the code was typed."""

    __tablename__ = "list_sign_ins"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(info=ADDRESS)
    user_id: Mapped[str | None] = mapped_column(info=USER_ID)  # who was signed in
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mail_at: Mapped[datetime | None]  # when the mail that serves it is or was sent
    device: Mapped[str] = mapped_column(default="", server_default="")  # the browser's family
    used_at: Mapped[datetime | None]


Index("ix_list_sign_ins_address", BulkInviteSignIn.address, BulkInviteSignIn.created_at)


def find(session: Session, sign_in_id: uuid.UUID) -> BulkInviteSignIn | None:
    return session.get(BulkInviteSignIn, sign_in_id)


def find_all(session: Session, ids: Collection[uuid.UUID]) -> Sequence[BulkInviteSignIn]:
    """Those of these requests that are there."""
    return session.scalars(select(BulkInviteSignIn).where(BulkInviteSignIn.id.in_(ids))).all()


def find_open(session: Session, address: str, now: datetime) -> Sequence[BulkInviteSignIn]:
    """The requests for this address that a code could still open, newest first."""
    return session.scalars(
        select(BulkInviteSignIn)
        .where(
            BulkInviteSignIn.address == address,
            BulkInviteSignIn.used_at.is_(None),
            BulkInviteSignIn.expires_at > now,
        )
        .order_by(BulkInviteSignIn.created_at.desc(), BulkInviteSignIn.id)
    ).all()


def find_elsewhere(
    session: Session, address: str, *, but: uuid.UUID, now: datetime, limit: int
) -> Sequence[BulkInviteSignIn]:
    """The requests of other browsers for an address that have not ended, newest first.

    Used ones are included: a person who verified nothing must not see the difference.
    """
    return session.scalars(
        select(BulkInviteSignIn)
        .where(
            BulkInviteSignIn.address == address,
            BulkInviteSignIn.id != but,
            BulkInviteSignIn.expires_at > now,
        )
        .order_by(BulkInviteSignIn.created_at.desc(), BulkInviteSignIn.id)
        .limit(limit)
    ).all()


def mark_used(session: Session, sign_in: BulkInviteSignIn, now: datetime, user_id: str) -> bool:
    """Mark it used. Returns False if it was used already."""
    own = (BulkInviteSignIn.id == sign_in.id) & BulkInviteSignIn.used_at.is_(None)
    return rows.update(session, BulkInviteSignIn, own, used_at=now, user_id=user_id) > 0


def record_moved_mail(session: Session, address: str, *, was: datetime, is_now: datetime) -> None:
    """The mail due at `was` is now due at `is_now`: update all requests that wait for it."""
    session.execute(
        update(BulkInviteSignIn)
        .where(BulkInviteSignIn.address == address, BulkInviteSignIn.mail_at == was)
        .values(mail_at=is_now)
        .execution_options(synchronize_session="fetch")
    )


def forget(
    session: Session, now: datetime, *, made_before: datetime, limit: int | None = None
) -> int:
    """Delete those created before then, unless their mail still waits for its turn.

    Returns how many.
    """
    old = (BulkInviteSignIn.created_at < made_before) & (BulkInviteSignIn.expires_at < now)
    return rows.delete(session, BulkInviteSignIn, old, limit=limit)
