"""Who may not invite whom by mail: the person said that they do not know them. Of the mailbox only a keyed hash is kept."""

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base
from identity.core.keyed_hashes import KEYED_HASH


class Mute(Base):
    """One sender, for one mailbox. It outlives the invitation that caused it."""

    __tablename__ = "mutes"
    __table_args__ = (UniqueConstraint("mailbox_hash", "sender"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mailbox_hash: Mapped[str] = mapped_column(info=KEYED_HASH)
    sender: Mapped[str]
    since: Mapped[datetime]


def add(session: Session, now: datetime, *, mailbox_hash: str, sender: str) -> bool:
    """Mute; False: that was so already."""
    row = {"id": uuid.uuid4(), "mailbox_hash": mailbox_hash, "sender": sender, "since": now}
    return inserting.insert_if_new(session, Mute, row)


def find(session: Session, mailbox_hashes: Collection[str], sender: str) -> Mute | None:
    """The row, under whichever key it was written."""
    return session.scalars(
        select(Mute)
        .where(Mute.mailbox_hash.in_(mailbox_hashes), Mute.sender == sender)
        .order_by(Mute.since.desc())
        .limit(1)
    ).one_or_none()


def times(session: Session, sender: str, since: datetime) -> list[datetime]:
    """When people said that they do not know this sender, and left it at that; oldest first."""
    said = select(Mute.since).where(Mute.sender == sender, Mute.since > since)
    return list(session.scalars(said.order_by(Mute.since)))


def said_often(session: Session, since: datetime, most: int) -> list[str]:
    """The senders of whom so many people said so."""
    often = select(Mute.sender).where(Mute.since > since).group_by(Mute.sender)
    return list(session.scalars(often.having(func.count() >= most)))


def lift(session: Session, mailbox_hashes: Collection[str], sender: str | None = None) -> int:
    """Take it back for one sender, or forget everything the mailbox said. How many rows."""
    gone = delete(Mute).where(Mute.mailbox_hash.in_(mailbox_hashes))
    if sender is not None:
        gone = gone.where(Mute.sender == sender)
    found = session.execute(gone.returning(Mute.id).execution_options(synchronize_session=False))
    return len(found.all())
