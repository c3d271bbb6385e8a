"""Addresses that get no further mail of a kind; the address itself is not kept, only a keyed hash of it."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from .database import Base


class Why(StrEnum):
    """What ended the mail."""

    OPTED_OUT = "opted_out"  # no more invitations, said by the person
    NO_MAILBOX = "no_mailbox"  # said by their mail server


class Suppression(Base):
    """One reason for one address."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("address_hash", "why"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address_hash: Mapped[str]  # Tokens.suppression_hashes, the newest key's
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
