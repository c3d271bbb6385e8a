"""Addresses that get no further mail of a kind; the address itself is not kept, only a keyed hash of it."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base
from identity.core.keyed_hashes import KEYED_HASH


class Why(StrEnum):
    """What ended the mail."""

    OPTED_OUT = "opted_out"  # no more invitations, said by the person
    NO_MAILBOX = "no_mailbox"  # said by their mail server


class Suppression(Base):
    """One reason for one address."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("address_hash", "why"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address_hash: Mapped[str] = mapped_column(info=KEYED_HASH)
    why: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # None: for good
    strikes: Mapped[int] = mapped_column(default=1)  # how often it was said


def find(session: Session, address_hashes: Collection[str], why: Why) -> Suppression | None:
    """The suppression of the address with one of these hashes."""
    return session.scalars(
        select(Suppression)
        .where(Suppression.address_hash.in_(address_hashes), Suppression.why == why)
        .order_by(Suppression.since.desc())
        .limit(1)
    ).one_or_none()


def add(
    session: Session, now: datetime, address_hash: str, why: Why, *, until: datetime | None = None
) -> bool:
    """Write a reason down. False: it stands already."""
    return inserting.insert_if_new(
        session,
        Suppression,
        {
            "id": uuid.uuid4(),
            "address_hash": address_hash,
            "why": why,
            "since": now,
            "until": until,
            "strikes": 1,
        },
    )


def lift(session: Session, address_hashes: Collection[str], why: Why) -> None:
    """Take a reason back, under whichever key it was written."""
    session.execute(
        delete(Suppression)
        .where(Suppression.address_hash.in_(address_hashes), Suppression.why == why)
        .execution_options(synchronize_session=False)
    )
