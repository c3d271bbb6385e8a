"""Accounts that Guichet has created on homeservers or is creating."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.rule import AccountClass
from identity.core import rows
from identity.core.address_domains import domain_of, name_of
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, USER_ID


class AccountState(StrEnum):
    """CREATING is committed before the homeserver is called: so a crash leaves a trace to check."""

    CREATING = "creating"
    CREATED = "created"  # our call created it, or it has our mark; not finished yet
    READY = "ready"


class Account(Base):
    """One person's account. Address and user ID are unique, so only one of two browsers wins."""

    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(unique=True, info=ADDRESS)
    user_id: Mapped[str] = mapped_column(unique=True, info=USER_ID)
    homeserver: Mapped[str]
    account_class: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    state: Mapped[str]
    # Set as the display name when the account is created, and known to nobody else: after an
    # uncertain call it tells the account we created from one that existed before.
    creation_mark: Mapped[str]
    # When the user ID was first seen to be free; after that the homeserver may have been called.
    seen_free_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    # Of a guest: the user ID of their sponsor, and when their access ends.
    sponsor: Mapped[str | None] = mapped_column(info=USER_ID)
    access_ends_at: Mapped[datetime | None]


Index("ix_accounts_domain", domain_of(Account.address), Account.created_at, Account.id)
Index("ix_accounts_name", name_of(Account.address))
Index("ix_accounts_homeserver", Account.homeserver, Account.created_at, Account.id)


def find_by_address(session: Session, address: str) -> Account | None:
    return session.scalar(select(Account).where(Account.address == address))


def find_by_user_id(session: Session, user_id: str) -> Account | None:
    return session.scalar(select(Account).where(Account.user_id == user_id))


def find_languages(session: Session, addresses: Collection[str]) -> dict[str, str]:
    """The language of each of these addresses that has an account."""
    found = select(Account.address, Account.language).where(Account.address.in_(addresses))
    return dict(session.execute(found).all())


def find_languages_of_users(session: Session, user_ids: Collection[str]) -> dict[str, str]:
    """The language of each of these users who has an account made here."""
    found = select(Account.user_id, Account.language).where(Account.user_id.in_(user_ids))
    return dict(session.execute(found).all())


def has_access_ended(session: Session, address: str, now: datetime) -> bool:
    """Whether the address has the account of a guest whose access has ended."""
    ended = (Account.address == address) & (Account.account_class == AccountClass.GUEST.value)
    return rows.is_any(session, ended, Account.access_ends_at <= now)


def forget_unused_claims(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete claims created before then whose homeserver was never called. Returns how many."""
    is_unused = (Account.state == AccountState.CREATING) & Account.seen_free_at.is_(None)
    return rows.delete(session, Account, is_unused, Account.created_at < before, limit=limit)
