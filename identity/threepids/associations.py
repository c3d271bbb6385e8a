"""Associations: which Matrix user ID an address (3PID) is bound to."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

from . import peppers


class Association(Base):
    """An address bound to a user ID. One address, one user ID."""

    __tablename__ = "associations"

    medium: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    bound_at: Mapped[datetime]


def bind(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Bind an email address; a second time changes nothing but the user ID. Its hashes follow it."""
    statement = inserting.insert(session, Association).values(
        medium="email", address=address, user_id=user_id, bound_at=now
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["medium", "address"],
            set_={"user_id": statement.excluded.user_id, "bound_at": statement.excluded.bound_at},
            where=Association.user_id != statement.excluded.user_id,
        )
    )
    peppers.follow(session, now, medium="email", address=address)


def unbind(session: Session, *, address: str, user_id: str) -> None:
    """Withdraw this one, its hashes with it; the address bound to somebody else stays so."""
    session.execute(
        delete(Association).where(
            Association.medium == "email",
            Association.address == address,
            Association.user_id == user_id,
        )
    )


def of_address(session: Session, address: str) -> Association | None:
    return session.get(Association, ("email", address))


def of_user(session: Session, user_id: str) -> list[Association]:
    return list(session.scalars(select(Association).where(Association.user_id == user_id)))
