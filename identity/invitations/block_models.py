"""The table of inviters whom operators have blocked."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity import problems
from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import RECORD, USER_ID


class InviterBlock(Base):
    """A blocked inviter. Unblocking deletes it; the journal keeps what was done."""

    __tablename__ = "inviter_blocks"

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # null: until they are unblocked
    author: Mapped[str]
    reason: Mapped[str] = mapped_column(info=RECORD)


def key_of(user_id: str) -> str:
    """What holds the jobs of this inviter, see `leases.hold`."""
    return f"inviter:{user_id}"


def find_locked(session: Session, user_id: str) -> InviterBlock | None:
    """The stored block, also if its time is over; nobody else changes it in this transaction's time."""
    return session.get(InviterBlock, user_id, populate_existing=True, with_for_update=True)


def find_or_begin(session: Session, now: datetime, user_id: str) -> tuple[InviterBlock, bool]:
    """The stored block, locked, and whether it was made just now: without end, author and reason.

    Of two who block at once the second waits, and finds what the first one made.
    """
    blank = {"user_id": user_id, "since": now, "author": "", "reason": ""}
    while True:
        is_new = inserting.insert_if_new(session, InviterBlock, blank)
        found = find_locked(session, user_id)
        if found is not None:  # else it was ended between the two statements
            return found, is_new


def find_in_force(session: Session, now: datetime) -> Sequence[InviterBlock]:
    """Everybody who is blocked now, by user ID."""
    query = select(InviterBlock).where(_in_force(now)).order_by(InviterBlock.user_id)
    return session.scalars(query).all()


def find_user_ids(session: Session, now: datetime) -> frozenset[str]:
    """The users who may invite nobody now."""
    return frozenset(session.scalars(select(InviterBlock.user_id).where(_in_force(now))))


def check(session: Session, now: datetime, user_id: str) -> None:
    """Raises InviterBlocked."""
    refuse(session.get(InviterBlock, user_id), now)


def refuse(block: InviterBlock | None, now: datetime) -> None:
    """Raises InviterBlocked if this block is in force."""
    if block is not None and not is_over(block, now):
        raise problems.InviterBlocked(key_of(block.user_id), until=block.until)


def keys_in_force(session: Session, now: datetime) -> Sequence[str]:
    """What holds jobs now, see `leases.hold`."""
    return [key_of(each.user_id) for each in find_in_force(session, now)]


def forget(session: Session, now: datetime, *, limit: int | None = None) -> int:
    """Delete those whose time is over, at most so many. Returns how many."""
    return rows.delete(session, InviterBlock, InviterBlock.until <= now, limit=limit)


def holds(
    now: datetime | ColumnElement[datetime], user_id: ColumnElement[str]
) -> ColumnElement[bool]:
    """SQL condition: this user is blocked."""
    return exists().where(InviterBlock.user_id == user_id, _in_force(now))


def is_over(block: InviterBlock, now: datetime) -> bool:
    """Whether it has ended by itself."""
    return block.until is not None and block.until <= now


def _in_force(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return or_(InviterBlock.until.is_(None), InviterBlock.until > now)
