"""A page waits a few seconds for what the worker hears of a room; the web itself signs nothing for our module."""

import time
import uuid

from identity.bulk_invites import room_check_models as stored
from identity.bulk_invites import room_checks
from identity.homeservers.room_actions import Room
from identity.web.request_context import services

SECONDS = 8.0
STEP = 0.1


def check_room(user_id: str, room_id: str) -> Room | str:
    """The room; or `no_module`, `away`."""
    with services.database.transaction() as session:
        look_id = room_checks.ask(session, services.now(), user_id=user_id, room_id=room_id)
    return "away" if look_id is None else _wait_for(look_id)


def _wait_for(look_id: uuid.UUID) -> Room | str:
    ends_at = time.monotonic() + SECONDS
    while True:
        with services.database.reading() as session:
            found = stored.find(session, look_id)
        if found is None or found.failure is not None:
            return found.failure or "away" if found else "away"
        if found.answer is not None:
            return Room(**found.answer)
        if time.monotonic() >= ends_at:
            return "away"
        time.sleep(STEP)
