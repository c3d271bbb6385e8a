"""Enforces the access rules of rooms: creation, entering and changes are judged here first."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from domain_rules.enums import StrEnum
from domain_rules.rooms.changes import judge_visibility
from domain_rules.rooms.creation import (
    Creation,
    complete_request,
    invitations_by_mail,
    judge_creation,
    users_named_in,
)
from domain_rules.rooms.events import (
    JUDGES,
    GuichetIdentity,
    RoomEvent,
    judge_event,
    judge_redaction,
)
from domain_rules.rooms.membership import (
    MembershipChange,
    Successors,
    judge_invitation_by_mail,
    judge_inviter,
    judge_membership,
)
from domain_rules.rooms.reasons import MALFORMED_CREATIONS, RoomReason
from domain_rules.rooms.room import (
    CREATE,
    MEMBER,
    RULE_EVENT,
    AccessRule,
    People,
    RoomState,
    as_mapping,
)
from domain_rules.rule import AccountClass

from . import other_modules
from .guards import ALLOWED, Guards
from .inbound import Inbound
from .part import Context, Part
from .predecessors import Predecessors
from .room_upgrades import RoomUpgrades
from .room_views import NEWEST_VERSION, RoomViews, StateEvents
from .sentences import Sentence
from .time_limits import ASKING_SECONDS

BAD_REQUEST, FORBIDDEN = 400, 403
REDACTION = "m.room.redaction"

logger = logging.getLogger(__name__)


class RoomAccess(Part):
    """The part. An error of ours refuses, whoever acts; in log mode it changes nothing."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._predecessors = Predecessors(context)
        self._views = RoomViews(context)
        self._upgrades = RoomUpgrades(context, self._views)
        self._inbound = Inbound(context, self._views)
        # All reasons about rooms, also those that other parts use, with the next step in them.
        self.refusals.add_sentences(
            {reason: Sentence(reason.texts["fr"], reason.texts["en"]) for reason in RoomReason}
        )
        guards = Guards(self.refusals, closes_for=lambda _user_id: True)
        of_others = Guards(self.refusals, closes_for=lambda _user_id: False)
        # Callbacks for which Synapse loads a room's whole state, or that it calls for every event,
        # are avoided where another callback can judge.
        self.api.register_spam_checker_callbacks(
            user_may_invite=guards.answering(self.user_may_invite, seconds=ASKING_SECONDS),
            user_may_send_3pid_invite=guards.answering(
                self.user_may_send_3pid_invite, seconds=ASKING_SECONDS
            ),
            user_may_publish_room=guards.answering(self.user_may_publish_room),
            federated_user_may_invite=of_others.answering(self._inbound.federated_user_may_invite),
            check_event_for_spam=self._inbound.check_event_for_spam,
        )
        self.api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room),
            check_event_allowed=guards.insisting(
                self.check_event_allowed, seconds=ASKING_SECONDS, concerns=self.is_judged
            ),
        )

    @staticmethod
    def is_judged(event: Any) -> bool:
        """Whether an event concerns `check_event_allowed` here."""
        return event.type == REDACTION or (event.type in JUDGES and event.is_state())

    async def on_create_room(
        self,
        requester: Any,
        request: dict[str, Any],
        is_admin: bool,  # noqa: FBT001  # Synapse calls by position
    ) -> None:
        """Rooms of exempt users are left as they are. Log mode completes nothing."""
        creator = requester.user.to_string()
        if is_admin or await self.cache.is_exempt_now(creator):
            return
        named = users_named_in(request, creator)
        people = await self._views.people(named)
        creation = Creation(
            request,
            creator,
            self._default_version(),
            people,
            guests_by_mail=self._has_guests_by_mail(request),
        )
        reason = judge_creation(creation) or self._judge_mail_at_creation(creation)
        if reason is not None:
            status = BAD_REQUEST if reason in MALFORMED_CREATIONS else FORBIDDEN
            said = self._views.said(reason, named)
            self.refusals.refuse_by_raising(said, creator, status=status)
        if not self.refusals.is_log_only:
            request.update(complete_request(creation))

    async def check_event_allowed(self, event: Any, events: StateEvents) -> tuple[bool, None]:
        """Every event made on this homeserver that concerns the rule."""
        events = other_modules.state_events(events)
        if event.type == REDACTION:
            await self._check_redaction(event, events)
            return ALLOWED
        if event.type == RULE_EVENT and self._upgrades.is_carrying(event):
            return ALLOWED
        state = await self._views.restored(event.room_id, event.room_version.identifier, events)
        wanted = RoomEvent(event.type, event.sender, event.state_key, as_mapping(event.content))
        guichet = self._guichet()

        def judge(
            state: RoomState, people: People, successors: Successors = frozenset()
        ) -> RoomReason | None:
            return judge_event(state, wanted, people, replace(guichet, successors=successors))

        state = await self._fully_seen(event, state, judge)
        inviter = state.members.get(wanted.state_key)
        involved = wanted.concerned | ({inviter.sender} if inviter else set())
        reason = await self._seated(
            wanted.state_key if event.type == MEMBER else None,
            state,
            lambda successors: self._views.verdict(
                lambda people: judge(state, people, successors), involved
            ),
        )
        if reason is not None:
            said = self._views.said(reason, wanted.concerned)
            self.refusals.refuse_by_raising(said, event.sender)
        if event.type == CREATE:
            self._upgrades.begin(event)
        return ALLOWED

    async def _fully_seen(
        self, event: Any, state: RoomState, judge: Callable[[RoomState, People], RoomReason | None]
    ) -> RoomState:
        """The state with what is read only where it decides.

        That is whether the room is listed, and who came by mail and left.
        """
        if state.is_public or event.type == RULE_EVENT:
            # Being listed never allows more: what is allowed for a listed room needs no query.
            listed = replace(state, listed=True)
            if await self._views.may_refuse(lambda people: judge(listed, people)):
                state = await self._views.with_listing(event.room_id, state)
        if event.type == RULE_EVENT and state.live_invitations():
            state = await self._views.with_used_tokens(event.room_id, state)
        return state

    async def _check_redaction(self, event: Any, events: StateEvents) -> None:
        """Redactions of events that stand in the room's state now.

        Messages and replaced settings are the moderators' affair.
        """
        redacted = next((each for each in events.values() if each.event_id == event.redacts), None)
        if redacted is None:
            return
        content = as_mapping(self.refusals.terms.prune(redacted).content)
        left = RoomEvent(redacted.type, event.sender, redacted.state_key, content)
        state = await self._views.restored(event.room_id, event.room_version.identifier, events)
        reason = await self._views.verdict(
            lambda people: judge_redaction(state, left, people, self._guichet()), {event.sender}
        )
        if reason is not None:
            self.refusals.refuse_by_raising(reason, event.sender)

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Any:
        """Inviting a guest, by user ID, or by mail if they have an account.

        Inviting an agent is judged with the event, which knows the room.
        """
        await self.cache.ready()
        if not self.cache.is_guest(invitee):
            return self.refusals.allowed
        state = await self._views.room(room_id, invitee)
        if state is None:
            return self.refusals.allowed  # an invitation that arrives from elsewhere
        state = await self._upgrades.settled(room_id, state)
        coming = MembershipChange(inviter, invitee, "invite")
        reason = await self._seated(
            invitee,
            state,
            lambda successors: self._views.verdict(
                lambda people: judge_membership(state, coming, people, successors=successors),
                {inviter, invitee},
            ),
        )
        return self._answer(inviter, self._views.said(reason, {invitee}) if reason else None)

    async def user_may_send_3pid_invite(
        self, inviter: str, medium: str, address: str, room_id: str
    ) -> Any:
        """Inviting an address without an account. If it is refused here, no mail is sent."""
        state = await self._views.room(room_id, inviter)
        if state is None:  # an invented room, or one that all local users have left
            return self._answer(inviter, RoomReason.NOT_IN_ROOM)
        reason = judge_inviter(state, inviter)
        if reason is None and not await self.cache.is_exempt_now(inviter):
            state = await self._upgrades.settled(room_id, state)
            await self.cache.ready()
            reason = judge_invitation_by_mail(state, medium, address, self.cache.decide)
        if reason is None and await self._views.is_here(room_id, address):
            reason = RoomReason.ALREADY_HERE
        return self._answer(inviter, self._views.said(reason, ()) if reason else None)

    async def user_may_publish_room(self, user_id: str, room_id: str) -> Any:
        """Publishing a room. Synapse does not say in which direction.

        A listed room may always be taken out.
        """
        state = await self._views.room(room_id)
        if state is None:
            return self.refusals.allowed
        state = await self._views.with_listing(room_id, state)
        reason = None if state.listed else judge_visibility(state, "public")
        if reason is not None and await self.cache.is_exempt_now(user_id):
            reason = None
        return self._answer(user_id, reason)

    def _has_guests_by_mail(self, request: Mapping[str, Any]) -> bool:
        invited = invitations_by_mail(request)
        decisions = [self.cache.decide(str(each.get("address"))) for each in invited]
        return any(
            each and each.homeserver and each.account_class is AccountClass.GUEST
            for each in decisions
        )

    def _judge_mail_at_creation(self, creation: Creation) -> RoomReason | None:
        rule = creation.rule or AccessRule.RESTRICTED
        state = RoomState(rule_event={"rule": rule.value})
        for invited in invitations_by_mail(creation.request):
            medium, address = str(invited.get("medium")), str(invited.get("address"))
            reason = judge_invitation_by_mail(state, medium, address, self.cache.decide)
            if reason is not None:
                return reason
        return None

    async def _seated(
        self,
        coming: str | None,
        state: RoomState,
        verdict: Callable[[Successors], Awaitable[RoomReason | None]],
    ) -> RoomReason | None:
        """The verdict.

        Before a conversation of two counts as full, Guichet is asked whether `coming` takes over a
        seat.
        """
        reason = await verdict(frozenset())
        if reason is not RoomReason.DIRECT_FULL or coming is None:
            return reason
        successors = await self._predecessors.find(coming, state)
        return await verdict(successors) if successors else reason

    def _guichet(self) -> GuichetIdentity:
        keys = frozenset(self.cache.guichet_keys.values())
        return GuichetIdentity(self.cache.identity_servers, keys)

    def _default_version(self) -> str:
        try:
            server = self.api._hs.config.server  # noqa: SLF001  # no public way to it
            return str(server.default_room_version.identifier)
        except AttributeError:
            return NEWEST_VERSION

    def _answer(self, user_id: str, reason: StrEnum | None) -> Any:
        return self.refusals.refuse(reason, user_id) if reason else self.refusals.allowed
