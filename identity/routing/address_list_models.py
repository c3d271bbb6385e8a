"""What operators add to the lists that come with Guichet, or take from them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base


class AddressList(StrEnum):
    """`shared_mailbox`: local parts several people read. `never_agent`: domains that are nobody's own."""

    SHARED_MAILBOX = "shared_mailbox"
    NEVER_AGENT = "never_agent"


class AddressListChange(Base):
    """One entry that is on a list here (`is_listed`), or is not although it comes with Guichet."""

    __tablename__ = "address_lists"

    list_name: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[str] = mapped_column(primary_key=True)
    is_listed: Mapped[bool]
    changed_at: Mapped[datetime]


def changes(session: Session, name: AddressList) -> dict[str, bool]:
    """Entry → whether it is listed."""
    found = session.execute(
        select(AddressListChange.entry, AddressListChange.is_listed)
        .where(AddressListChange.list_name == name)
        .order_by(AddressListChange.entry)
    )
    return dict(found.all())


def set_listed(
    session: Session, now: datetime, name: AddressList, entry: str, *, is_listed: bool
) -> None:
    session.merge(
        AddressListChange(list_name=name, entry=entry, is_listed=is_listed, changed_at=now)
    )


def forget(session: Session, name: AddressList, entry: str) -> None:
    """As it comes with Guichet."""
    row = session.get(AddressListChange, (name, entry))
    if row is not None:
        session.delete(row)
