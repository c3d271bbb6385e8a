"""The changes that operators made to the address lists that come with Guichet."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.personal_data import RECORD


class AddressList(StrEnum):
    """SHARED_MAILBOX: local parts of shared mailboxes. NEVER_AGENT: domains open to anybody."""

    SHARED_MAILBOX = "shared_mailbox"
    NEVER_AGENT = "never_agent"


class AddressListChange(Base):
    """An entry added to a list (`is_listed`), or removed although it comes with Guichet."""

    __tablename__ = "address_lists"

    list_name: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[str] = mapped_column(primary_key=True, info=RECORD)
    is_listed: Mapped[bool]
    changed_at: Mapped[datetime]


def find_changes(session: Session, name: AddressList) -> dict[str, bool]:
    """Changed entry → whether it is listed."""
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
    """Delete the change, so that the list is as it comes with Guichet again."""
    row = session.get(AddressListChange, (name, entry))
    if row is not None:
        session.delete(row)
