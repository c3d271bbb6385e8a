"""Asks Guichet whether a user takes over the seat of somebody who left a conversation of two.

That is so if their account succeeds the other one for the same address. It is asked only before a
refusal.
"""

import logging
from collections.abc import Mapping
from typing import Any

from domain_rules.rooms.membership import Successors
from domain_rules.rooms.room import RoomState

from .clients import GuichetUnreachable
from .part import Part

MAX_ASKED = 100  # users in one request

logger = logging.getLogger(__name__)


class Predecessors(Part):
    """While Guichet cannot be reached nobody has predecessors, and the seat stays taken."""

    async def find(self, user_id: str, state: RoomState) -> Successors:
        """Pairs of those who left the room and whose seat is this user's now, with the user."""
        left = sorted(who for who, member in state.members.items() if member.membership == "leave")
        if not left:
            return frozenset()
        predecessors = await self._ask({"user_id": user_id, "left": left[:MAX_ASKED]})
        return frozenset((each, user_id) for each in left if each in predecessors)

    async def _ask(self, question: Mapping[str, Any]) -> list[Any]:
        try:
            answer = await self.client.post("/predecessors", question)
        except GuichetUnreachable as fault:
            logger.warning("whose seat it is cannot be asked: %s", fault)
            return []
        found = answer.body.get("predecessors") if isinstance(answer.body, Mapping) else None
        if not answer.is_good or not isinstance(found, list):
            logger.warning("Guichet answers %s: is the credential still good?", answer.status)
            return []
        return found
