"""Judges events from other homeservers, as far as possible without splitting rooms.

Synapse waits for these callbacks before it accepts an event, also for events that complete a room
it is joining. So nothing here waits for a room to be complete: events of incomplete rooms are
judged later.
"""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

from domain_rules.rooms.membership import MembershipChange, judge_inbound
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import MEMBER, RULE_EVENT, AccessRule, as_mapping
from domain_rules.user_ids import homeserver_of

from .cache import MS
from .configuration import ClassSource, SoftFail
from .guards import FAILED, attempt
from .part import Context, Part
from .room_views import RoomViews
from .time_limits import INBOUND_SECONDS

RETRY_MS = 30 * MS
MAX_PENDING = 1000  # older ones are dropped, and counted
MAX_PENDING_MS = 24 * 3600 * MS  # then the room is not expected to become complete
ENTERING = ("invite", "join")

logger = logging.getLogger(__name__)
inbound_events = Counter(
    "guichet_inbound",
    "Events of other homeservers that a room would not have accepted, or that could not be judged",
    ["done"],  # failed_softly, logged, noted, given_up
)


@dataclass(frozen=True)
class Arrival:
    """A membership event of another homeserver. Times are milliseconds."""

    event_id: str
    room_id: str
    coming: MembershipChange
    sent_at: int
    noted_ms: int = 0


class Inbound(Part):
    """Only the class of a server counts here; an error lets the event pass."""

    def __init__(self, context: Context, views: RoomViews) -> None:
        super().__init__(context)
        self._views = views
        self._noted: deque[Arrival] = deque()
        if self.config.soft_fail is not SoftFail.OFF:
            self.api.looping_background_call(
                self.judge_noted, RETRY_MS, desc="guichet_inbound", run_on_all_instances=True
            )

    async def check_event_for_spam(self, event: Any) -> Any:
        """Also called for events from a room's past and for those of local users."""
        if not self._is_judged(event):
            return self.refusals.allowed
        reason = await attempt(self.refusals, INBOUND_SECONDS, self._judge, event)
        if reason is None or reason is FAILED:
            return self.refusals.allowed
        return self._fail_softly(reason, event)

    async def judge_noted(self) -> None:
        """Judge events of rooms that were incomplete. It is too late to refuse: they are logged."""
        waiting, self._noted = self._noted, deque()
        for arrival in waiting:
            done = await attempt(self.refusals, INBOUND_SECONDS, self._judge_noted, arrival)
            if done is FAILED:
                inbound_events.labels("given_up").inc()

    async def federated_user_may_invite(self, event: Any) -> Any:
        """An invitation to a local user.

        The room's rule comes with it if the other homeserver is configured to send it.
        """
        if not _is_told_closed(event) or not self.cache.is_guest(event.state_key):
            return self.refusals.allowed
        if await self.cache.is_exempt_now(event.state_key):
            return self.refusals.allowed
        return self.refusals.refuse(RoomReason.CLOSED_TO_GUESTS, event.sender)

    def _is_judged(self, event: Any) -> bool:
        """From memory: whether a user of a guests' homeserver enters, not by a local user's action.

        An `m.room.member` without state key is possible; it is no membership, and Synapse's event
        then has no such attribute.
        """
        return bool(
            event.type == MEMBER
            and self.config.soft_fail is not SoftFail.OFF
            and event.is_state()
            and as_mapping(event.content).get("membership") in ENTERING
            and homeserver_of(event.sender) != self.cache.own_name
            and self._is_of_guests(event.state_key)
        )

    async def _judge(self, event: Any) -> RoomReason | None:
        arrival = Arrival(
            event.event_id,
            event.room_id,
            MembershipChange.from_content(event.sender, event.state_key, as_mapping(event.content)),
            event.origin_server_ts,
            self._now_ms(),
        )
        seen = await self._views.look(arrival.room_id, arrival.coming.target)
        if seen is None:
            return None
        state, is_partial = seen
        if is_partial:
            self._note(arrival)
            inbound_events.labels("noted").inc()
            return None
        return judge_inbound(state, arrival.coming, arrival.sent_at)

    def _note(self, arrival: Arrival) -> None:
        if len(self._noted) >= MAX_PENDING:
            self._noted.popleft()
            inbound_events.labels("given_up").inc()
        self._noted.append(arrival)

    async def _judge_noted(self, arrival: Arrival) -> None:
        if await self._views.is_complete(arrival.room_id):
            seen = await self._views.look(arrival.room_id)
            reason = seen and judge_inbound(seen[0], arrival.coming, arrival.sent_at)
            if reason:
                self._log(reason, arrival.event_id, arrival.coming.sender)
        elif self._now_ms() - arrival.noted_ms > MAX_PENDING_MS:
            inbound_events.labels("given_up").inc()
        else:
            self._note(arrival)

    def _fail_softly(self, reason: RoomReason, event: Any) -> Any:
        if self.config.soft_fail is SoftFail.ON and not self.refusals.is_log_only:
            inbound_events.labels("failed_softly").inc()
            return self.refusals.refuse(reason, event.sender)
        self._log(reason, event.event_id, event.sender)
        return self.refusals.allowed

    def _log(self, reason: RoomReason, event_id: str, sender: str) -> None:
        logger.warning("%s of %s would fail softly: %s", event_id, sender, reason)
        inbound_events.labels("logged").inc()

    def _is_of_guests(self, user_id: str) -> bool:
        source = self.cache.class_of_server(homeserver_of(user_id))
        return source == ClassSource.GUEST.value


def _is_told_closed(event: Any) -> bool:
    """Whether the state sent with an invitation says that the room is closed to guests.

    Of several rules the strictest counts; an unknown rule is the strictest.
    """
    given = event.unsigned.get("invite_room_state")
    listed: Iterable[Any] = given if isinstance(given, (list, tuple)) else ()
    rules = [
        AccessRule.parse(as_mapping(each.get("content"))["rule"])
        for each in map(as_mapping, listed)
        if each.get("type") == RULE_EVENT
        and not each.get("state_key")
        and "rule" in as_mapping(each.get("content"))
    ]
    return any(rule in {None, AccessRule.RESTRICTED} for rule in rules)
