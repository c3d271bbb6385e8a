"""Asks Guichet before Synapse stores an invitation by mail, so that the client learns the reason.

If the identity server refuses at `store-invite`, Synapse answers clients with 500. Only the refusal
of a module reaches the client as it is.
"""

import logging
from collections.abc import Mapping
from typing import Any

from domain_rules.enums import StrEnum
from domain_rules.rooms.creation import invitations_by_mail
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rule import AccountClass

from .clients import GuichetUnreachable
from .guards import Guards
from .part import Context, Part
from .sentences import RefusalReason, Sentence
from .time_limits import ASKING_SECONDS

PATH = "/may-invite"
# Fields of Guichet's answer that are passed on to clients.
FURTHER_FIELDS = ("org.guichet.until", "retry_after_ms")
# Guichet counts as unreachable after so many seconds, or so many polls, without an answer.
MIN_SILENCE_SECONDS, MISSED_POLLS = 60, 3

logger = logging.getLogger(__name__)


class InvitationCheck(Part):
    """The last part to judge an invitation: refusals of other parts come first."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._longest_silence = max(MIN_SILENCE_SECONDS, MISSED_POLLS * self.config.poll_seconds)
        already = RoomReason.ALREADY_HERE
        self.refusals.add_sentences({already: Sentence(already.texts["fr"], already.texts["en"])})
        guards = Guards(self.refusals, closes_for=lambda _user_id: False)
        self.api.register_spam_checker_callbacks(
            user_may_send_3pid_invite=guards.answering(self.answer, seconds=ASKING_SECONDS)
        )
        self.api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room)
        )

    async def on_create_room(
        self,
        requester: Any,
        request: Mapping[str, Any],
        _is_admin: bool,  # noqa: FBT001  # Synapse calls by position
    ) -> None:
        """Refuse the creation if its invitations by mail would be refused."""
        if self.refusals.is_log_only:
            return  # counted with the invitations
        await self.cache.ready()
        inviter = requester.user.to_string()
        for address in _addresses(request):
            reason = self._from_memory(inviter, address)
            if reason is not None:
                self.refusals.refuse_by_raising(reason, inviter)

    async def answer(self, inviter: str, medium: str, address: str, room_id: str) -> Any:
        """The answer to `user_may_send_3pid_invite`: yes, or a code with its fields."""
        await self.cache.ready()
        known = self._from_memory(inviter, address)
        if known is not None:
            return self.refusals.refuse(known, inviter)
        answered = await self._ask(
            {"sender": inviter, "medium": medium, "address": address, "room_id": room_id}
        )
        if answered is None or answered.get("allowed") is not False:
            return self.refusals.allowed
        reason = _reason(answered.get("org.guichet.reason"))
        answer = self.refusals.refuse(reason, inviter)
        if answer is self.refusals.allowed:  # refusals are only logged
            return answer
        code, fields = answer
        further = {
            name: answered[name]
            for name in FURTHER_FIELDS
            if isinstance(answered.get(name), str | int)
        }
        return code, fields | further

    def _from_memory(self, inviter: str, address: str) -> RefusalReason | None:
        if self.cache.age_seconds > self._longest_silence:
            return RefusalReason.GUICHET_UNREACHABLE
        if inviter not in self.cache.snapshot.paused_inviters:
            return None
        decision = self.cache.decide(address)  # paused inviters may still invite agents
        is_agent = decision is not None and decision.account_class is AccountClass.AGENT
        return None if is_agent else RefusalReason.INVITATIONS_PAUSED

    async def _ask(self, question: Mapping[str, str]) -> Mapping[str, Any] | None:
        try:
            answer = await self.client.post(PATH, question)
        except GuichetUnreachable as fault:
            logger.warning("whether an invitation is allowed cannot be asked: %s", fault)
            return None
        if not isinstance(answer.body, Mapping):
            return None
        suspended = RefusalReason.HOMESERVER_SUSPENDED.value
        if answer.body.get("org.guichet.reason") == suspended:  # of an error, not of an answer
            return {"allowed": False, "org.guichet.reason": suspended}
        return answer.body if answer.is_good else None


def _addresses(request: Mapping[str, Any]) -> list[str]:
    found = (each.get("address") for each in invitations_by_mail(request))
    return [address for address in found if isinstance(address, str)]


def _reason(name: object) -> StrEnum:
    known: dict[str, StrEnum] = {
        reason.value: reason for reason in (*RefusalReason, RoomReason.ALREADY_HERE)
    }
    return known.get(str(name), RefusalReason.NOT_ALLOWED)
