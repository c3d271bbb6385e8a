"""What other homeservers send into rooms and to people here, as far as it can be judged without splitting rooms.

Synapse waits for these callbacks before it takes up an event, also for the events by which it completes a room
that it is joining. So nothing here waits for a room to be complete: one that is not is noted, and judged later.
"""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

from domain_rules.rooms.membership import Coming, judge_inbound
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import MEMBER, RULE_EVENT, AccessRule, mapping

from .cache import MS, Cache, server_of
from .configuration import ClassSource, Config, SoftFail
from .guards import FAILED, attempt
from .refusals import Refusals
from .room_views import RoomViews
from .time_limits import INBOUND_SECONDS

LATER_MS = 30 * MS
MAX_NOTED = 1000  # older ones are given up, and counted
NEVER_MS = 24 * 3600 * MS  # a room that has not become complete by then
COMING_IN = ("invite", "join")

logger = logging.getLogger(__name__)
counted = Counter(
    "guichet_inbound",
    "Events of other homeservers that a room would not have accepted, or that could not be judged",
    ["done"],  # failed_softly, logged, noted, given_up
)


@dataclass(frozen=True)
class Arrival:
    """A membership event of another homeserver, as far as it is judged. Times are milliseconds."""

    event_id: str
    room_id: str
    coming: Coming
    sent_at: int
    noted_ms: int = 0


class Inbound:
    """Only servers' classes count here, never persons'; a fault lets the event pass."""

    def __init__(
        self,
        config: Config,
        api: Any,
        views: RoomViews,
        cache: Cache,
        refusals: Refusals,
    ) -> None:
        self._soft_fail = config.soft_fail
        self._api = api
        self._views = views
        self._cache = cache
        self._refusals = refusals
        self._noted: deque[Arrival] = deque()
        if self._soft_fail is not SoftFail.OFF:
            api.looping_background_call(
                self.judge_noted, LATER_MS, desc="guichet_inbound", run_on_all_instances=True
            )

    async def check_event_for_spam(self, event: Any) -> Any:
        """Also called for what is pulled from a room's past, and for what people here write."""
        if not self._is_judged(event):
            return self._refusals.allowed
        reason = await attempt(self._refusals, INBOUND_SECONDS, self._judge, event)
        if reason is None or reason is FAILED:
            return self._refusals.allowed
        return self._fail_softly(reason, event)

    async def judge_noted(self) -> None:
        """Of the rooms that were not complete: what their events would have been answered. It is too late to refuse."""
        waiting, self._noted = self._noted, deque()
        for arrival in waiting:
            done = await attempt(self._refusals, INBOUND_SECONDS, self._judge_noted, arrival)
            if done is FAILED:
                counted.labels("given_up").inc()

    async def federated_user_may_invite(self, event: Any) -> Any:
        """An invitation to somebody here: the room says its rule with it, where its homeserver is set so."""
        if not _is_told_closed(event) or not self._views.is_guest(event.state_key):
            return self._refusals.allowed
        if await self._cache.is_free(event.state_key):
            return self._refusals.allowed
        return self._refusals.refuse(RoomReason.CLOSED_TO_GUESTS, event.sender)

    def _is_judged(self, event: Any) -> bool:
        """From memory: somebody of a guests' homeserver comes in, and not by somebody's deed here.

        Anybody may send the type without a state key: it is no membership, and Synapse's event has no such attribute.
        """
        return bool(
            event.type == MEMBER
            and self._soft_fail is not SoftFail.OFF
            and event.is_state()
            and mapping(event.content).get("membership") in COMING_IN
            and server_of(event.sender) != self._cache.own_name
            and self._is_of_guests(event.state_key)
        )

    async def _judge(self, event: Any) -> RoomReason | None:
        arrival = Arrival(
            event.event_id,
            event.room_id,
            Coming.of(event.sender, event.state_key, mapping(event.content)),
            event.origin_server_ts,
            self._api.get_current_time_msec(),
        )
        seen = await self._views.look(arrival.room_id, arrival.coming.target)
        if seen is None:
            return None
        state, is_partial = seen
        if is_partial:
            self._note(arrival)
            counted.labels("noted").inc()
            return None
        return judge_inbound(state, arrival.coming, arrival.sent_at, is_guests_server=True)

    def _note(self, arrival: Arrival) -> None:
        if len(self._noted) >= MAX_NOTED:
            self._noted.popleft()
            counted.labels("given_up").inc()
        self._noted.append(arrival)

    async def _judge_noted(self, arrival: Arrival) -> None:
        if await self._views.is_complete(arrival.room_id):
            seen = await self._views.look(arrival.room_id)
            reason = seen and judge_inbound(
                seen[0], arrival.coming, arrival.sent_at, is_guests_server=True
            )
            if reason:
                self._log(reason, arrival.event_id, arrival.coming.sender)
        elif self._api.get_current_time_msec() - arrival.noted_ms > NEVER_MS:
            counted.labels("given_up").inc()
        else:
            self._note(arrival)

    def _fail_softly(self, reason: RoomReason, event: Any) -> Any:
        if self._soft_fail is SoftFail.ON and not self._refusals.is_log_only:
            counted.labels("failed_softly").inc()
            return self._refusals.refuse(reason, event.sender)
        self._log(reason, event.event_id, event.sender)
        return self._refusals.allowed

    def _log(self, reason: RoomReason, event_id: str, sender: str) -> None:
        logger.warning("%s of %s would fail softly: %s", event_id, sender, reason)
        counted.labels("logged").inc()

    def _is_of_guests(self, user_id: str) -> bool:
        source = self._cache.class_of_server(server_of(user_id))
        return source == ClassSource.GUEST.value


def _is_told_closed(event: Any) -> bool:
    """By the state that comes with an invitation: of several rules the strictest, and one that nobody knows is that."""
    told = event.unsigned.get("invite_room_state")
    listed: Iterable[Any] = told if isinstance(told, (list, tuple)) else ()
    rules = [
        AccessRule.of(mapping(each.get("content"))["rule"])
        for each in map(mapping, listed)
        if each.get("type") == RULE_EVENT
        and not each.get("state_key")
        and "rule" in mapping(each.get("content"))
    ]
    return any(rule in {None, AccessRule.RESTRICTED} for rule in rules)
