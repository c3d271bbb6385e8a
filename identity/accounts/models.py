"""Accounts that Guichet made on homeservers, or is making. The row comes before the call."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base


class AccountState(StrEnum):
    """`creating` is committed before the homeserver is asked: after a crash we know what to look into."""

    CREATING = "creating"
    CREATED = "created"  # the homeserver made it for us, or it bears our mark; not whole yet
    READY = "ready"


class Account(Base):
    """One person's account. Address and user ID are unique: two browsers cannot both win."""

    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[str] = mapped_column(unique=True)
    homeserver: Mapped[str]
    account_class: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    state: Mapped[str]
    # Set as the display name when the account is created, and known to nobody else: after an
    # uncertain end it tells the account we made from one that was there before.
    creation_mark: Mapped[str]
    # When the user ID was first seen to be free: from then on the homeserver may know of it.
    seen_free_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    # Of a guest: the user ID of who answers for them, and until when they are expected.
    sponsor: Mapped[str | None]
    access_ends_at: Mapped[datetime | None]


def of_address(session: Session, address: str) -> Account | None:
    return session.scalars(select(Account).where(Account.address == address)).one_or_none()


def of_user_id(session: Session, user_id: str) -> Account | None:
    return session.scalars(select(Account).where(Account.user_id == user_id)).one_or_none()


def forget_unseen(session: Session, before: datetime) -> int:
    """Delete claims older than that for which no homeserver was ever asked. How many that were."""
    gone = session.scalars(
        delete(Account)
        .where(
            Account.state == AccountState.CREATING,
            Account.seen_free_at.is_(None),
            Account.created_at < before,
        )
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
