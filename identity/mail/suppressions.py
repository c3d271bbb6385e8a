"""Addresses that get no further mails of some kind, each stored as a keyed hash only."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base
from identity.core.keyed_hashes import KEYED_HASH


class SuppressionReason(StrEnum):
    """Why an address gets no further mails."""

    OPTED_OUT = "opted_out"  # the person wants no more invitations
    NO_MAILBOX = "no_mailbox"  # their mail server says that it does not exist


class Suppression(Base):
    """One reason for one address."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("address_hash", "why"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address_hash: Mapped[str] = mapped_column(info=KEYED_HASH)
    why: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # None: without end
    strikes: Mapped[int] = mapped_column(default=1)  # how often it happened


def find(
    session: Session, address_hashes: Collection[str], why: SuppressionReason
) -> Suppression | None:
    """The suppression of the address that has one of these hashes."""
    return session.scalars(
        select(Suppression)
        .where(Suppression.address_hash.in_(address_hashes), Suppression.why == why)
        .order_by(Suppression.since.desc())
        .limit(1)
    ).one_or_none()


def find_hashes(
    session: Session, address_hashes: Collection[str], why: SuppressionReason
) -> Sequence[str]:
    """Those of these hashes that are stored for this reason, also for a time that is over."""
    stored = select(Suppression.address_hash)
    which = stored.where(Suppression.address_hash.in_(address_hashes), Suppression.why == why)
    return session.scalars(which).all()


def add(
    session: Session,
    now: datetime,
    address_hash: str,
    why: SuppressionReason,
    *,
    until: datetime | None = None,
) -> bool:
    """Store a reason. Returns False if it was stored already."""
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


def lift(session: Session, address_hashes: Collection[str], why: SuppressionReason) -> None:
    """Remove a reason, whichever key its hash was made with."""
    session.execute(
        delete(Suppression)
        .where(Suppression.address_hash.in_(address_hashes), Suppression.why == why)
        .execution_options(synchronize_session=False)
    )
