"""Room checks in the database: questions of pages, which the worker asks a homeserver.

Only the worker can sign requests to our module in the homeserver.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import TEXT, USER_ID


class RoomCheck(Base):
    """One question. `answer`: what the homeserver said; `failure`: why there is no answer."""

    __tablename__ = "room_looks"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[str] = mapped_column(info=USER_ID)  # who would invite there
    room_id: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON, info=TEXT)
    failure: Mapped[str | None]  # no_module, away


def find(session: Session, check_id: uuid.UUID) -> RoomCheck | None:
    return session.get(RoomCheck, check_id)


def find_open(session: Session, user_id: str, since: datetime) -> Sequence[RoomCheck]:
    """Unanswered room checks of this user since then, newest first."""
    return session.scalars(
        select(RoomCheck)
        .where(
            RoomCheck.user_id == user_id,
            RoomCheck.asked_at > since,
            RoomCheck.answered_at.is_(None),
        )
        .order_by(RoomCheck.asked_at.desc(), RoomCheck.id)
    ).all()


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete those requested before then. Returns how many."""
    return rows.delete(session, RoomCheck, RoomCheck.asked_at < before, limit=limit)
