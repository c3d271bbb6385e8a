"""The verified addresses of accounts, from which the class of an account is derived."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, USER_ID

from . import agents as agents_feed

AT_ONCE = 5000  # rows fetched together


class VerifiedAddress(Base):
    """A verified address of an account. It stays when the association is withdrawn.

    It ends when the homeserver reports that the account has the address no more.
    """

    __tablename__ = "proved_addresses"

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    address: Mapped[str] = mapped_column(primary_key=True, index=True, info=ADDRESS)
    verified_at: Mapped[datetime] = mapped_column("proved_at")


def add(session: Session, now: datetime, *, user_id: str, address: str) -> None:
    """Store a verified address; if it is stored already, nothing changes."""
    row = {"user_id": user_id, "address": address, "verified_at": now}
    if inserting.insert_if_new(session, VerifiedAddress, row):
        agents_feed.mark_for_classification(session, user_id)


def remove(session: Session, *, user_id: str, address: str) -> None:
    """Delete the address of an account."""
    _delete(session, user_id, VerifiedAddress.address == address)


def remove_all(session: Session, user_id: str) -> None:
    """Delete all addresses of an account."""
    _delete(session, user_id)


def addresses_of(session: Session, user_id: str) -> Sequence[str]:
    return session.scalars(
        select(VerifiedAddress.address)
        .where(VerifiedAddress.user_id == user_id)
        .order_by(VerifiedAddress.verified_at, VerifiedAddress.address)
    ).all()


def users_of(session: Session, address: str) -> Sequence[str]:
    """The user IDs of all accounts with this verified address, oldest first."""
    return session.scalars(
        select(VerifiedAddress.user_id)
        .where(VerifiedAddress.address == address)
        .order_by(VerifiedAddress.verified_at, VerifiedAddress.user_id)
    ).all()


def on_homeservers(session: Session, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """User ID and address of all users of these homeservers, ordered by user ID."""
    there = [VerifiedAddress.user_id.endswith(f":{name}", autoescape=True) for name in names]
    if not there:
        return []
    return session.execute(
        select(VerifiedAddress.user_id, VerifiedAddress.address)
        .where(or_(*there))
        .order_by(VerifiedAddress.user_id)
        .execution_options(yield_per=AT_ONCE)
    )


def _delete(session: Session, user_id: str, *which: ColumnElement[bool]) -> None:
    if rows.delete(session, VerifiedAddress, VerifiedAddress.user_id == user_id, *which):
        agents_feed.mark_for_classification(session, user_id)
