"""Carries the access rule over to the room that replaces another; Synapse does not copy it.

It starts where the new room's first event is judged, in the process that creates the room. What
that process leaves undone is done when the room is next judged.
"""

import logging
from typing import Any

from domain_rules.rooms.changes import judge_upgrade, settings_to_carry
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import People, RoomState, as_mapping

from .cache import MS
from .part import Context, Part
from .room_views import Judge, RoomViews

MAX_LOOKS = 600  # looks at the new room until it has power levels
MAX_LOOKS_OF_CALLBACK = 50
SECONDS_BETWEEN_LOOKS = 0.1
MAX_TRIES = 3
FRESH_MS = 60 * MS

logger = logging.getLogger(__name__)


class RoomUpgrades(Part):
    """Until the rule has arrived, the new room counts as closed to guests."""

    def __init__(self, context: Context, views: RoomViews) -> None:
        super().__init__(context)
        self._views = views
        self._carrying: dict[str, dict[str, Any]] = {}
        self._begun: set[str] = set()

    def is_carrying(self, event: Any) -> bool:
        """Whether the event being judged is one that we send, not its owner."""
        carried_now = self._carrying.get(event.room_id)
        return carried_now is not None and (
            carried_now["type"] == event.type and carried_now["content"] == dict(event.content)
        )

    def begin(self, create: Any) -> None:
        """Start for a create event that is allowed. Nobody waits for it."""
        old_room = as_mapping(create.content.get("predecessor")).get("room_id")
        if isinstance(old_room, str) and self.api.is_mine(create.sender):
            self._begin(old_room, create.room_id, create.sender)

    async def settled(self, room_id: str, state: RoomState) -> RoomState:
        """The state once the rule has arrived, if it is on its way; at once in log mode."""
        if self.refusals.is_log_only:
            return state
        if state.rule_event is None and state.predecessor and self.api.is_mine(state.creator):
            self._begin(state.predecessor, room_id, state.creator)
        for _ in range(MAX_LOOKS_OF_CALLBACK):
            is_fresh = self._now_ms() - state.made_at < FRESH_MS
            if state.rule_event is not None or not state.predecessor or not is_fresh:
                break
            await self.api.sleep(SECONDS_BETWEEN_LOOKS)
            state = await self._views.room(room_id) or state
        return state

    def _begin(self, old_room: str, new_room: str, sender: str) -> None:
        """Once in each process: an upgrade that is not allowed is not tried again."""
        if self.refusals.is_log_only or new_room in self._begun:
            return
        self._begun.add(new_room)
        self.api.run_as_background_process(
            "guichet_room_upgrade", self._carry, old_room, new_room, sender
        )

    async def _carry(self, old_room: str, new_room: str, sender: str) -> None:
        old = await self._views.room(old_room)
        if old is None or await self._views.verdict(_judge(old, sender), {sender}):
            return
        new = await self._made(new_room)
        if new is None:
            return
        old = await self._views.with_listing(old_room, old)
        for event_type, content in settings_to_carry(old, new).items():
            await self._send(new_room, sender, event_type, content)

    async def _made(self, room_id: str) -> RoomState | None:
        """The new room once it has power levels: Synapse sends its own settings first."""
        for _ in range(MAX_LOOKS):
            state = await self._views.room(room_id)
            if state is not None and state.power_levels is not None:
                return state
            await self.api.sleep(SECONDS_BETWEEN_LOOKS)
        logger.warning("%s has no power levels: its rule is not carried over", room_id)
        return None

    async def _send(
        self, room_id: str, sender: str, event_type: str, content: dict[str, Any]
    ) -> None:
        event = {
            "type": event_type,
            "state_key": "",
            "room_id": room_id,
            "sender": sender,
            "content": content,
        }
        self._carrying[room_id] = event
        try:
            for _ in range(MAX_TRIES):
                if await self._is_sent(event):
                    return
                await self.api.sleep(1)
        finally:
            self._carrying.pop(room_id, None)
        self._begun.discard(room_id)

    async def _is_sent(self, event: dict[str, Any]) -> bool:
        try:
            await self.api.create_and_send_event_into_room(event)
        except Exception:
            logger.warning(
                "%s of %s was not carried over", event["type"], event["room_id"], exc_info=True
            )
            return False
        return True


def _judge(old: RoomState, sender: str) -> Judge:
    """Exempt users may upgrade any room, and the rule is carried over."""

    def judge(people: People) -> RoomReason | None:
        return None if sender in people.exempt else judge_upgrade(old, sender, people)

    return judge
