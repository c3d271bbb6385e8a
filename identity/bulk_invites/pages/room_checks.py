"""Waits a few seconds for the worker's answer about a room."""

import time
import uuid

from identity.bulk_invites import room_check_models, room_checks
from identity.homeservers.room_actions import Room
from identity.web.request_context import services

SECONDS = 8.0
STEP = 0.1


def check_room(user_id: str, room_id: str) -> Room | str:
    """The room; or `no_module` or `away`."""
    with services.database.transaction() as session:
        check_id = room_checks.request_check(
            session, services.now(), user_id=user_id, room_id=room_id
        )
    return "away" if check_id is None else _wait_for(check_id)


def _wait_for(check_id: uuid.UUID) -> Room | str:
    ends_at = time.monotonic() + SECONDS
    while True:
        with services.database.reading() as session:
            found = room_check_models.find(session, check_id)
        if found is None or found.failure is not None:
            return found.failure or "away" if found else "away"
        if found.answer is not None:
            return Room(**found.answer)
        if time.monotonic() >= ends_at:
            return "away"
        time.sleep(STEP)
