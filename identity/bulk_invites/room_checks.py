"""Whether somebody may invite to a room, and whom it takes: the worker asks their homeserver while a page waits."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import JobKind, Lane

from . import room_check_models as room_checks
from .room_check_models import RoomCheck

LANE = Lane.ACCOUNTS  # somebody waits, and a relay that is down must not delay it
PATIENCE = timedelta(seconds=10)  # after which nobody waits for the answer any more
MAX_OPEN = 3  # questions of one person at once


def ask(session: Session, now: datetime, *, user_id: str, room_id: str) -> uuid.UUID | None:
    """Order a look; pressed twice, it is the same one. None: too many of this person's wait already."""
    waiting = room_checks.open_of(session, user_id, now - PATIENCE)
    same = next((each for each in waiting if each.room_id == room_id), None)
    if same is not None:
        return same.id
    if len(waiting) >= MAX_OPEN:
        return None
    look = RoomCheck(id=uuid.uuid4(), user_id=user_id, room_id=room_id, asked_at=now)
    session.add(look)
    session.flush()
    outbox.enqueue(session, JobKind.ROOM_LOOK, look.id, now, lane=LANE)
    return look.id


def is_awaited(look: RoomCheck, now: datetime) -> bool:
    """Whether an answer is still of use."""
    return look.answered_at is None and now < look.asked_at + PATIENCE


def record_answer(
    session: Session, now: datetime, look_id: uuid.UUID, told: Mapping[str, Any] | str
) -> None:
    """Write down what the homeserver said, or the word for why it said nothing."""
    look = room_checks.find(session, look_id)
    if look is None or look.answered_at is not None:
        return
    look.answered_at = now
    if isinstance(told, str):
        look.failure = told
    else:
        look.answer = dict(told)
