"""Who left a conversation of two whose address somebody else has now: Guichet knows, and is asked before a refusal only."""

import logging
from collections.abc import Mapping
from typing import Any

from domain_rules.rooms.membership import Successors
from domain_rules.rooms.room import RoomState

from .clients import GuichetAway, GuichetClient

MAX_ASKED = 100  # of those who left: what is asked at once

logger = logging.getLogger(__name__)


class Predecessors:
    """While Guichet is away nobody has any, and a seat stays with who left."""

    def __init__(self, client: GuichetClient) -> None:
        self._client = client

    async def of(self, user_id: str, state: RoomState) -> Successors:
        """Those whose seat in this room is that account's."""
        left = sorted(who for who, member in state.members.items() if member.membership == "leave")
        if not left:
            return frozenset()
        told = await self._ask({"user_id": user_id, "left": left[:MAX_ASKED]})
        return frozenset((each, user_id) for each in left if each in told)

    async def _ask(self, question: Mapping[str, Any]) -> list[Any]:
        try:
            answer = await self._client.post("/predecessors", question)
        except GuichetAway as fault:
            logger.warning("whose seat it is cannot be asked: %s", fault)
            return []
        found = answer.body.get("predecessors") if isinstance(answer.body, Mapping) else None
        if not answer.is_good or not isinstance(found, list):
            logger.warning("Guichet answers %s: is the credential still good?", answer.status)
            return []
        return found
