"""An invitation by mail that Guichet would refuse is refused here, where the inviter's client hears why.

Synapse makes "500 Internal server error" of whatever an identity server answers to store-invite but
success: only a module's refusal reaches the client as it is.
"""

import logging
from collections.abc import Mapping
from typing import Any

from domain_rules.enums import Word
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rules import AccountClass

from .cache import Cache
from .clients import GuichetAway, GuichetClient
from .configuration import Config
from .guards import Guards
from .refusals import Refusals
from .sentences import Reason, Sentence
from .time_limits import ASKING_SECONDS

PATH = "/may-invite"
# What clients are told beside the reason, as Guichet says it.
FURTHER = ("org.guichet.until", "retry_after_ms")
# So long Guichet is not heard before everybody is told to try again later: seconds, or polls in vain.
SHORTEST_SILENCE, POLLS = 60, 3

logger = logging.getLogger(__name__)


class Part:
    """The last to be asked: who may not invite there at all, or whom the room has, is told so by other parts before."""

    def __init__(
        self,
        config: Config,
        api: Any,
        cache: Cache,
        refusals: Refusals,
        client: GuichetClient | None = None,
    ) -> None:
        self._client = client or GuichetClient(config, api)
        self._cache, self._refusals = cache, refusals
        self._longest_silence = max(SHORTEST_SILENCE, POLLS * config.poll_seconds)
        already = RoomReason.ALREADY_HERE
        refusals.teach({already: Sentence(already.texts["fr"], already.texts["en"])})
        guards = Guards(refusals, closes_for=lambda _user_id: False)
        api.register_spam_checker_callbacks(
            user_may_send_3pid_invite=guards.answering(self.answer, seconds=ASKING_SECONDS)
        )
        api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room)
        )

    async def on_create_room(
        self,
        requester: Any,
        asked: Mapping[str, Any],
        _is_admin: bool,  # noqa: FBT001  # Synapse calls by position
    ) -> None:
        """A room that is made for invitations by mail is not left behind without them."""
        if self._refusals.is_log_only:
            return  # counted with the invitations
        await self._cache.ready()
        inviter = requester.user.to_string()
        for address in _addresses(asked.get("invite_3pid")):
            reason = self._from_memory(inviter, address)
            if reason is not None:
                self._refusals.refuse_by_raising(reason, inviter)

    async def answer(self, inviter: str, medium: str, address: str, room_id: str) -> Any:
        """What a spam checker's callback returns: yes, or the code and what goes with it."""
        await self._cache.ready()
        known = self._from_memory(inviter, address)
        if known is not None:
            return self._refusals.refuse(known, inviter)
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

    def _from_memory(self, inviter: str, address: str) -> Reason | None:
        if self._cache.age_seconds > self._longest_silence:
            return Reason.GUICHET_UNREACHABLE
        if inviter not in self._cache.copy.paused_inviters:
            return None
        decision = self._cache.decide(address)  # who is paused invites agents all the same
        is_agent = decision is not None and decision.account_class is AccountClass.AGENT
        return None if is_agent else Reason.INVITATIONS_PAUSED

    async def _ask(self, question: Mapping[str, str]) -> Mapping[str, Any] | None:
        try:
            answer = await self._client.post(PATH, question)
        except GuichetAway as fault:
            logger.warning("whether an invitation is allowed cannot be asked: %s", fault)
            return None
        return answer.body if answer.is_good and isinstance(answer.body, Mapping) else None


def _addresses(invited: object) -> list[str]:
    entries = invited if isinstance(invited, list) else []
    found = (entry.get("address") for entry in entries if isinstance(entry, Mapping))
    return [address for address in found if isinstance(address, str)]


def _reason(name: object) -> Word:
    known: dict[str, Word] = {reason.value: reason for reason in (*Reason, RoomReason.ALREADY_HERE)}
    return known.get(str(name), Reason.NOT_ALLOWED)
