"""Who is in a room as modules reported it, of those who invited there by mail or came by such an invitation."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base


class RoomMember(Base):
    """Somebody joined, and was not reported to have left since."""

    __tablename__ = "room_members"

    room_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    reported_at: Mapped[datetime]


def joined(session: Session, now: datetime, *, room_id: str, user_id: str) -> None:
    """They are in this room now."""
    row = {"room_id": room_id, "user_id": user_id, "reported_at": now}
    inserting.insert_if_new(session, RoomMember, row)


def left(session: Session, *, room_id: str, user_id: str) -> None:
    session.execute(
        delete(RoomMember).where(RoomMember.room_id == room_id, RoomMember.user_id == user_id)
    )


def gone(session: Session, user_id: str) -> None:
    """The account ended."""
    session.execute(delete(RoomMember).where(RoomMember.user_id == user_id))


def are_in(session: Session, room_id: str, user_ids: Collection[str]) -> bool:
    """Whether all of these are known to be in the room."""
    found = select(func.count()).where(
        RoomMember.room_id == room_id, RoomMember.user_id.in_(set(user_ids))
    )
    return session.scalar(found) == len(set(user_ids))


def forget(session: Session, before: datetime) -> int:
    """Delete what was reported so long ago. How many rows."""
    old = delete(RoomMember).where(RoomMember.reported_at < before).returning(RoomMember.user_id)
    return len(session.scalars(old.execution_options(synchronize_session=False)).all())
