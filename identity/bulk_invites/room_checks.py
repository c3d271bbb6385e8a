"""Checks whether a user may invite to a room and whom it accepts, while a page waits."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import outbox
from identity.core.outbox import JobKind, Lane

from . import room_check_models
from .room_check_models import RoomCheck

LANE = Lane.ACCOUNTS  # a person waits, and a relay that is down must not delay it
PATIENCE = timedelta(seconds=10)  # how long a page waits for the answer
MAX_OPEN = 3  # room checks of one user at once


def request_check(
    session: Session, now: datetime, *, user_id: str, room_id: str
) -> uuid.UUID | None:
    """Enqueue a room check; a repeated request returns the same one.

    Returns its ID, or None if too many of this user wait already.
    """
    waiting = room_check_models.find_open(session, user_id, now - PATIENCE)
    same = next((each for each in waiting if each.room_id == room_id), None)
    if same is not None:
        return same.id
    if len(waiting) >= MAX_OPEN:
        return None
    check = RoomCheck(id=uuid.uuid4(), user_id=user_id, room_id=room_id, asked_at=now)
    session.add(check)
    session.flush()
    asked = homeserver_of(user_id)
    outbox.enqueue(session, JobKind.ROOM_LOOK, check.id, now, lane=LANE, homeserver=asked)
    return check.id


def is_awaited(check: RoomCheck, now: datetime) -> bool:
    """Whether a page still waits for the answer."""
    return check.answered_at is None and now < check.asked_at + PATIENCE


def record_answer(
    session: Session, now: datetime, check_id: uuid.UUID, answer: Mapping[str, Any] | str
) -> None:
    """Store what the homeserver said, or the word for why it did not."""
    check = room_check_models.find(session, check_id)
    if check is None or check.answered_at is not None:
        return
    check.answered_at = now
    if isinstance(answer, str):
        check.failure = answer
    else:
        check.answer = dict(answer)
