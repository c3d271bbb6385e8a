"""Invitations that stand in rooms and that the database does not know: a loaded backup lost them.

Nobody can accept them, since neither their address nor their keys are known. They are taken out of
their rooms, where their inviters see that, and listed for operators.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.user_ids import homeserver_of
from identity.core import continuity, inserting, outbox, rows
from identity.core.database import Base
from identity.core.outbox import JobKind, Lane
from identity.core.personal_data import USER_ID

MAX_BACKUP_AGE = timedelta(days=60)
"""No backup is older: what is unknown and was sent before was deleted since its end."""

MAX_SHOWN = 80  # characters


class LostInvitation(Base):
    """One of them, as its homeserver reported it."""

    __tablename__ = "lost_invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    token: Mapped[str] = mapped_column(unique=True)  # the state key in the room
    room_id: Mapped[str]
    sender: Mapped[str] = mapped_column(info=USER_ID)
    shown: Mapped[str]  # the masked name of the invited person in the room
    found_at: Mapped[datetime]
    emptied_at: Mapped[datetime | None]
    why: Mapped[str | None]  # it could not be taken out of its room


def record(
    session: Session,
    now: datetime,
    *,
    token: str,
    room_id: str,
    sender: str,
    shown: str,
    sent_at: datetime,
) -> bool:
    """Record one, and have it taken out of its room.

    Returns False if it is known, or if no backup was loaded that could have lost it.
    """
    oldest = now - MAX_BACKUP_AGE
    if sent_at < oldest or not continuity.was_restored_after(session, oldest):
        return False
    lost_id = uuid.uuid4()
    made = {
        "id": lost_id,
        "token": token,
        "room_id": room_id,
        "sender": sender,
        "shown": _readable(shown),
        "found_at": now,
    }
    if not inserting.insert_if_new(session, LostInvitation, made):
        return False
    asked = homeserver_of(sender)
    outbox.enqueue(session, JobKind.LOST_INVITATION, lost_id, now, lane=Lane.BULK, homeserver=asked)
    return True


def find(session: Session, lost_id: uuid.UUID) -> LostInvitation | None:
    return session.get(LostInvitation, lost_id)


def find_all(session: Session, *, limit: int) -> Sequence[LostInvitation]:
    """By inviter and room, so that each inviter can be told."""
    order = (LostInvitation.sender, LostInvitation.room_id, LostInvitation.found_at)
    return session.scalars(select(LostInvitation).order_by(*order).limit(limit)).all()


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete those that were found before then, at most so many. Returns how many."""
    return rows.delete(session, LostInvitation, LostInvitation.found_at < before, limit=limit)


def _readable(shown: str) -> str:
    return "".join(letter for letter in shown if letter.isprintable())[:MAX_SHOWN]
