"""Room members that our modules report: those who invite by mail, and those who so arrived."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import USER_ID


class RoomMember(Base):
    """A user who joined a room and was not reported to have left it since."""

    __tablename__ = "room_members"

    room_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True, index=True, info=USER_ID)
    reported_at: Mapped[datetime]


def record_join(session: Session, now: datetime, *, room_id: str, user_id: str) -> None:
    """Record that a user is in the room."""
    row = {"room_id": room_id, "user_id": user_id, "reported_at": now}
    inserting.insert_if_new(session, RoomMember, row)


def record_leave(session: Session, *, room_id: str, user_id: str) -> None:
    rows.delete(session, RoomMember, RoomMember.room_id == room_id, RoomMember.user_id == user_id)


def forget_user(session: Session, user_id: str) -> None:
    """Delete the rows of a user whose account ended."""
    rows.delete(session, RoomMember, RoomMember.user_id == user_id)


def are_in(session: Session, room_id: str, user_ids: Collection[str]) -> bool:
    """Whether all of these are known to be in the room."""
    wanted = set(user_ids)
    is_one = RoomMember.user_id.in_(wanted)
    return rows.count(session, RoomMember.room_id == room_id, is_one) == len(wanted)


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete rows reported before then. Returns how many."""
    return rows.delete(session, RoomMember, RoomMember.reported_at < before, limit=limit)
