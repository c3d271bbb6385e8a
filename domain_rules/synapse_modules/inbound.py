"""What other homeservers send into rooms and to people here, as far as it can be judged without splitting rooms."""

import logging
from collections.abc import Iterable
from typing import Any

from domain_rules.room_membership import Coming, judge_inbound
from domain_rules.room_reasons import RoomReason
from domain_rules.rooms import MEMBER, RULE_EVENT, AccessRule, mapping

from .configuration import ClassSource, Config, SoftFail
from .knowledge import Knowledge, server_of
from .refusals import Refusals
from .room_views import RoomViews

logger = logging.getLogger(__name__)


class Inbound:
    """Only servers' classes count here, never persons'; a fault lets the event pass."""

    def __init__(
        self, config: Config, views: RoomViews, knowledge: Knowledge, refusals: Refusals
    ) -> None:
        self._soft_fail = config.soft_fail
        self._views = views
        self._knowledge = knowledge
        self._refusals = refusals

    async def check_event_for_spam(self, event: Any) -> Any:
        """Also called for what is pulled from a room's past, and for what people here write."""
        if event.type != MEMBER or self._soft_fail is SoftFail.OFF:
            return self._refusals.allowed
        try:
            reason = await self._judge(event)
        except Exception:
            logger.exception("a fault in judging %s", event.event_id)
            return self._refusals.allowed
        if reason is None:
            return self._refusals.allowed
        return self._fail_softly(reason, event)

    def _fail_softly(self, reason: RoomReason, event: Any) -> Any:
        if self._soft_fail is SoftFail.ON:
            return self._refusals.refuse(reason, event.sender)
        logger.warning("%s of %s would fail softly: %s", event.event_id, event.sender, reason)
        return self._refusals.allowed

    async def _judge(self, event: Any) -> RoomReason | None:
        if not isinstance(event.state_key, str) or self._is_own(event.sender):
            return None
        if not self._is_of_guests(event.state_key):
            return None
        state = await self._views.room(event.room_id, event.state_key)
        if state is None:
            return None
        coming = Coming.of(event.sender, event.state_key, mapping(event.content))
        return judge_inbound(state, coming, event.origin_server_ts, is_guests_server=True)

    async def federated_user_may_invite(self, event: Any) -> Any:
        """An invitation to somebody here: the room says its rule with it, where its homeserver is set so."""
        try:
            closed = _rule_told(event) is AccessRule.RESTRICTED
            if not closed or not self._views.is_guest(event.state_key):
                return self._refusals.allowed
            if await self._knowledge.is_free(event.state_key):
                return self._refusals.allowed
            return self._refusals.refuse(RoomReason.CLOSED_TO_GUESTS, event.sender)
        except Exception:
            logger.exception("a fault in judging an invitation from elsewhere")
            return self._refusals.allowed

    def _is_own(self, user_id: str) -> bool:
        return server_of(user_id) == self._knowledge.own_name

    def _is_of_guests(self, user_id: str) -> bool:
        source = self._knowledge.class_of_server(server_of(user_id))
        return source == ClassSource.GUEST.value


def _rule_told(event: Any) -> AccessRule | None:
    """From the state that comes with an invitation; None where it says nothing."""
    told = event.unsigned.get("invite_room_state")
    listed: Iterable[Any] = told if isinstance(told, (list, tuple)) else ()
    for each in map(mapping, listed):
        if each.get("type") == RULE_EVENT and not each.get("state_key"):
            return AccessRule.of(mapping(each.get("content")).get("rule"))
    return None
