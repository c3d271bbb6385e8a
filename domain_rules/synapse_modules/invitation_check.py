"""An invitation by mail that Guichet would refuse is refused here, where the inviter's client hears why.

Synapse makes "500 Internal server error" of whatever an identity server answers to store-invite but
success: only a module's refusal reaches the client as it is.
"""

import logging
from collections.abc import Mapping
from typing import Any

from .clients import GuichetAway, GuichetClient
from .refusals import Refusals
from .sentences import Reason

PATH = "/may-invite"
# What clients are told beside the reason, as Guichet says it.
FURTHER = ("org.guichet.until", "retry_after_ms")

logger = logging.getLogger(__name__)


class InvitationCheck:
    """While Guichet is away nothing is refused here; it cannot store the invitation then either."""

    def __init__(self, client: GuichetClient, refusals: Refusals) -> None:
        self._client, self._refusals = client, refusals

    async def answer(self, inviter: str, medium: str, address: str, room_id: str) -> Any:
        """What a spam checker's callback returns: yes, or the code and what goes with it."""
        told = await self._ask(
            {"sender": inviter, "medium": medium, "address": address, "room_id": room_id}
        )
        if told is None or told.get("allowed") is not False:
            return self._refusals.allowed
        reason = _reason(told.get("org.guichet.reason"))
        answer = self._refusals.refuse(reason, inviter)
        if answer is self._refusals.allowed:  # refusals are only logged
            return answer
        code, fields = answer
        further = {name: told[name] for name in FURTHER if isinstance(told.get(name), str | int)}
        return code, fields | further

    async def _ask(self, question: Mapping[str, str]) -> Mapping[str, Any] | None:
        try:
            answer = await self._client.post(PATH, question)
        except GuichetAway as fault:
            logger.warning("whether an invitation is allowed cannot be asked: %s", fault)
            return None
        return answer.body if answer.is_good and isinstance(answer.body, Mapping) else None


def _reason(name: object) -> Reason:
    known = {reason.value: reason for reason in Reason}
    return known.get(str(name), Reason.NOT_ALLOWED)
