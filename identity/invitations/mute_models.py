"""Inviters whose invitations a mailbox does not want; the mailbox is a keyed hash."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.keyed_hashes import KEYED_HASH
from identity.core.personal_data import USER_ID


class Mute(Base):
    """One sender for one mailbox. It outlives the invitation that caused it."""

    __tablename__ = "mutes"
    __table_args__ = (UniqueConstraint("mailbox_hash", "sender"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mailbox_hash: Mapped[str] = mapped_column(info=KEYED_HASH)
    sender: Mapped[str] = mapped_column(info=USER_ID)
    since: Mapped[datetime]


def add(session: Session, now: datetime, *, mailbox_hash: str, sender: str) -> bool:
    """Store a mute. Returns False if it was stored already."""
    row = {"id": uuid.uuid4(), "mailbox_hash": mailbox_hash, "sender": sender, "since": now}
    return inserting.insert_if_new(session, Mute, row)


def find_hashes(session: Session, mailbox_hashes: Collection[str]) -> Sequence[str]:
    """Those of these mailboxes that muted somebody."""
    found = select(Mute.mailbox_hash).where(Mute.mailbox_hash.in_(mailbox_hashes))
    return session.scalars(found).all()


def find(session: Session, mailbox_hashes: Collection[str], sender: str) -> Mute | None:
    """The mute of this sender, whichever key the mailbox's hash was made with."""
    return session.scalar(
        select(Mute)
        .where(Mute.mailbox_hash.in_(mailbox_hashes), Mute.sender == sender)
        .order_by(Mute.since.desc())
        .limit(1)
    )


def find_times(session: Session, sender: str, since: datetime) -> list[datetime]:
    """When people reported this sender as unknown, and did not take it back; oldest first."""
    return list(session.scalars(times(sender, since)))


def times(
    sender: ColumnElement[str] | str, since: ColumnElement[datetime] | datetime
) -> Select[datetime]:
    """The query of `find_times`."""
    said = select(Mute.since).where(Mute.sender == sender, Mute.since > since)
    return said.order_by(Mute.since)


def find_often_muted(session: Session, since: datetime, most: int) -> list[str]:
    """The senders whom at least `most` people muted since then."""
    often = select(Mute.sender).where(Mute.since > since).group_by(Mute.sender)
    return list(session.scalars(often.having(func.count() >= most)))


def lift(session: Session, mailbox_hashes: Collection[str], sender: str | None = None) -> int:
    """Remove the mute of one sender, or all of the mailbox. Returns how many rows were deleted."""
    of_sender = [] if sender is None else [Mute.sender == sender]
    return rows.delete(session, Mute, Mute.mailbox_hash.in_(mailbox_hashes), *of_sender)
