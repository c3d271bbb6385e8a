"""The addresses that were proved for an account: they make its class, whatever it is associated with."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

from . import agents as agents_feed

AT_ONCE = 5000  # rows fetched together


class VerifiedAddress(Base):
    """One proof. Withdrawing the public association leaves it; the homeserver's own word ends it."""

    __tablename__ = "proved_addresses"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True, index=True)
    proved_at: Mapped[datetime]


def add(session: Session, now: datetime, *, user_id: str, address: str) -> None:
    """Keep a proof; a repeated one changes nothing."""
    row = {"user_id": user_id, "address": address, "proved_at": now}
    if inserting.insert_if_new(session, VerifiedAddress, row):
        agents_feed.look_again(session, user_id)


def remove(session: Session, *, user_id: str, address: str) -> None:
    """The account no longer has the address."""
    _delete(session, user_id, VerifiedAddress.address == address)


def remove_all(session: Session, user_id: str) -> None:
    """The account is no more."""
    _delete(session, user_id)


def of_user(session: Session, user_id: str) -> list[str]:
    return list(
        session.scalars(
            select(VerifiedAddress.address)
            .where(VerifiedAddress.user_id == user_id)
            .order_by(VerifiedAddress.proved_at, VerifiedAddress.address)
        )
    )


def users_of(session: Session, address: str) -> list[str]:
    """Every account that has proved it, the first one first."""
    return list(
        session.scalars(
            select(VerifiedAddress.user_id)
            .where(VerifiedAddress.address == address)
            .order_by(VerifiedAddress.proved_at, VerifiedAddress.user_id)
        )
    )


def on_homeservers(session: Session, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """User ID and address of everybody there, a user's addresses one after the other."""
    there = [VerifiedAddress.user_id.endswith(f":{name}", autoescape=True) for name in names]
    if not there:
        return []
    return session.execute(
        select(VerifiedAddress.user_id, VerifiedAddress.address)
        .where(or_(*there))
        .order_by(VerifiedAddress.user_id)
        .execution_options(yield_per=AT_ONCE)
    )


def _delete(session: Session, user_id: str, *which: object) -> None:
    gone = session.scalars(
        delete(VerifiedAddress)
        .where(VerifiedAddress.user_id == user_id, *which)  # type: ignore[arg-type]  # conditions of a column
        .returning(VerifiedAddress.address)
        .execution_options(synchronize_session=False)
    ).all()
    if gone:
        agents_feed.look_again(session, user_id)
