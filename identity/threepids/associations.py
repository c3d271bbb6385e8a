"""Associations: which Matrix user ID an address (3PID) is bound to."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Index, and_, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import foreseen, inserting
from identity.core.address_domains import domain_of, name_of
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, USER_ID

from . import peppers

OF_USER: Final = "associations of a user"


class Association(Base):
    """An address bound to a user ID. An address has one user ID, a user any number of addresses."""

    __tablename__ = "associations"

    medium: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True, info=ADDRESS)
    user_id: Mapped[str] = mapped_column(index=True, info=USER_ID)
    bound_at: Mapped[datetime]


Index("ix_associations_domain", domain_of(Association.address), Association.bound_at)
Index("ix_associations_name", name_of(Association.address))


def bind(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Bind an email address to a user ID, instead of any other, and store its lookup hashes."""
    statement = inserting.insert_statement(session, Association).values(
        medium="email", address=address, user_id=user_id, bound_at=now
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["medium", "address"],
            set_={"user_id": statement.excluded.user_id, "bound_at": statement.excluded.bound_at},
            where=Association.user_id != statement.excluded.user_id,
        )
    )
    peppers.hash_association(session, now, medium="email", address=address)


def unbind(session: Session, *, address: str, user_id: str) -> None:
    """Delete this association and its lookup hashes; one with another user ID stays."""
    session.execute(
        delete(Association).where(
            Association.medium == "email",
            Association.address == address,
            Association.user_id == user_id,
        )
    )


def has_address(addresses: Collection[str]) -> ColumnElement[bool]:
    """Whether a row is about one of these email addresses: by the key, which begins with the medium."""
    return and_(Association.medium == "email", Association.address.in_(addresses))


def find_by_address(session: Session, address: str) -> Association | None:
    return session.get(Association, ("email", address))


def find_by_addresses(session: Session, addresses: Collection[str]) -> dict[str, str]:
    """The user IDs that have these addresses, by address; those that nobody has are left out."""
    found = select(Association.address, Association.user_id).where(has_address(addresses))
    return dict(session.execute(found).all())


def find_by_user(session: Session, user_id: str) -> list[Association]:
    return foreseen.recall(
        session, OF_USER, user_id, lambda: _find_by_users(session, [user_id])[user_id]
    )


def foresee(session: Session, user_ids: Collection[str]) -> None:
    """Read at once what `find_by_user` will be asked."""
    foreseen.remember(session, OF_USER, _find_by_users(session, user_ids))


def _find_by_users(session: Session, user_ids: Collection[str]) -> dict[str, list[Association]]:
    of_user: dict[str, list[Association]] = {each: [] for each in user_ids}
    for bound in session.scalars(select(Association).where(Association.user_id.in_(user_ids))):
        of_user[bound.user_id].append(bound)
    return of_user
