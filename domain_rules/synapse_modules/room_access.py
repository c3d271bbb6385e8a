"""Rooms keep their rule: every way to make one, to come in, or to change it is judged here first."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from domain_rules.enums import Word
from domain_rules.rooms.changes import judge_visibility
from domain_rules.rooms.creation import Creation, completed, concerned, judge_creation
from domain_rules.rooms.events import JUDGES, Guichet, RoomEvent, judge_event
from domain_rules.rooms.membership import (
    Coming,
    Successors,
    judge_invitation_by_mail,
    judge_inviter,
    judge_membership,
)
from domain_rules.rooms.reasons import MALFORMED_CREATIONS, RoomReason
from domain_rules.rooms.redactions import judge_redaction
from domain_rules.rooms.room import (
    CREATE,
    MEMBER,
    RULE_EVENT,
    AccessRule,
    People,
    RoomState,
    mapping,
)
from domain_rules.rules import AccountClass

from . import other_modules
from .cache import Cache
from .clients import GuichetClient
from .configuration import Config
from .guards import ALLOWED, Guards
from .inbound import Inbound
from .predecessors import Predecessors
from .refusals import Refusals
from .room_upgrades import Upgrades
from .room_views import NEWEST, RoomViews, State
from .sentences import Sentence
from .time_limits import ASKING_SECONDS

BAD_REQUEST, FORBIDDEN = 400, 403
REDACTION = "m.room.redaction"

logger = logging.getLogger(__name__)


class Part:
    """A fault of ours refuses, whoever asks, and is never a 500; where refusals are only logged it changes nothing."""

    def __init__(
        self,
        config: Config,
        api: Any,
        cache: Cache,
        refusals: Refusals,
        client: GuichetClient | None = None,
    ) -> None:
        self._api = api
        self._predecessors = Predecessors(client or GuichetClient(config, api))
        self._cache = cache
        self._refusals = refusals
        self._views = RoomViews(api, cache, refusals)
        self._upgrades = Upgrades(api, self._views, refusals)
        self._inbound = Inbound(config, api, self._views, cache, refusals)
        refusals.teach(_sentences())
        self._views.start()
        guards = Guards(refusals, closes_for=lambda _user_id: True)
        of_others = Guards(refusals, closes_for=lambda _user_id: False)
        # What Synapse loads a room's whole state for, or every event, is left out where another callback can judge.
        api.register_spam_checker_callbacks(
            user_may_invite=guards.answering(self.user_may_invite, seconds=ASKING_SECONDS),
            user_may_send_3pid_invite=guards.answering(
                self.user_may_send_3pid_invite, seconds=ASKING_SECONDS
            ),
            user_may_publish_room=guards.answering(self.user_may_publish_room),
            federated_user_may_invite=of_others.answering(self._inbound.federated_user_may_invite),
            check_event_for_spam=self._inbound.check_event_for_spam,
        )
        api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room),
            check_event_allowed=guards.insisting(
                self.check_event_allowed, seconds=ASKING_SECONDS, concerns=_is_judged
            ),
        )

    async def on_create_room(self, requester: Any, asked: dict[str, Any], is_admin: bool) -> None:  # noqa: FBT001  # Synapse calls by position
        """What exempt people make is left as it is. Log-only mode completes nothing."""
        creator = requester.user.to_string()
        if is_admin or await self._cache.is_free(creator):
            return
        named = concerned(asked, creator)
        people = await self._views.people(named)
        creation = Creation(
            asked,
            creator,
            self._default_version(),
            people,
            guests_by_mail=self._has_guests_by_mail(asked),
        )
        reason = judge_creation(creation) or self._judge_mail_at_creation(creation)
        if reason is not None:
            status = BAD_REQUEST if reason in MALFORMED_CREATIONS else FORBIDDEN
            said = self._views.said(reason, named)
            self._refusals.refuse_by_raising(said, creator, status=status)
        if not self._refusals.is_log_only:
            asked.update(completed(creation))

    async def check_event_allowed(self, event: Any, events: State) -> tuple[bool, None]:
        """Every event that is made on this homeserver and concerns the rule."""
        events = other_modules.state_events(events)
        if event.type == REDACTION:
            await self._check_redaction(event, events)
            return ALLOWED
        if event.type == RULE_EVENT and self._upgrades.is_carrying(event):
            return ALLOWED
        state = await self._views.restored(event.room_id, event.room_version.identifier, events)
        asked = RoomEvent(event.type, event.sender, event.state_key, mapping(event.content))
        guichet = self._guichet()

        def judge(
            state: RoomState, people: People, successors: Successors = frozenset()
        ) -> RoomReason | None:
            return judge_event(state, asked, people, replace(guichet, successors=successors))

        state = await self._fully_seen(event, state, judge)
        inviter = state.members.get(asked.state_key)
        involved = asked.concerned | ({inviter.sender} if inviter else set())
        reason = await self._seated(
            asked.state_key if event.type == MEMBER else None,
            state,
            lambda successors: self._views.verdict(
                lambda people: judge(state, people, successors), involved
            ),
        )
        if reason is not None:
            said = self._views.said(reason, asked.concerned)
            self._refusals.refuse_by_raising(said, event.sender)
        if event.type == CREATE:
            self._upgrades.begin(event)
        return ALLOWED

    async def _fully_seen(
        self, event: Any, state: RoomState, judge: Callable[[RoomState, People], RoomReason | None]
    ) -> RoomState:
        """With what is read only where it decides: whether the room is listed, and who came by mail and left."""
        if state.is_public or event.type == RULE_EVENT:
            # Being listed never allows anything: what is allowed as if it were needs no look into the database.
            listed = replace(state, listed=True)
            if await self._views.may_refuse(lambda people: judge(listed, people)):
                state = await self._views.with_listing(event.room_id, state)
        if event.type == RULE_EVENT and state.live_invitations():
            state = await self._views.with_used_tokens(event.room_id, state)
        return state

    async def _check_redaction(self, event: Any, events: State) -> None:
        """Of what stands in the room now; messages, and settings that were replaced since, are the moderators'."""
        redacted = next((each for each in events.values() if each.event_id == event.redacts), None)
        if redacted is None:
            return
        content = mapping(self._refusals.terms.prune(redacted).content)
        left = RoomEvent(redacted.type, event.sender, redacted.state_key, content)
        state = await self._views.restored(event.room_id, event.room_version.identifier, events)
        reason = await self._views.verdict(
            lambda people: judge_redaction(state, left, people, self._guichet()), {event.sender}
        )
        if reason is not None:
            self._refusals.refuse_by_raising(reason, event.sender)

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Any:
        """A guest, by Matrix ID, or by mail if they are known. An agent is judged with the event, which knows the room."""
        await self._cache.ready()
        if not self._views.is_guest(invitee):
            return self._refusals.allowed
        state = await self._views.room(room_id, invitee)
        if state is None:
            return self._refusals.allowed  # an invitation that arrives from elsewhere
        state = await self._upgrades.settled(room_id, state)
        coming = Coming(inviter, invitee, "invite")
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
        """To an address that Guichet knows nobody by. What is refused here, no mail leaves for."""
        state = await self._views.room(room_id, inviter)
        if state is None:  # a made-up room, or one that everybody of this homeserver has left
            return self._answer(inviter, RoomReason.NOT_IN_ROOM)
        reason = judge_inviter(state, inviter)
        if reason is None and not await self._cache.is_free(inviter):
            state = await self._upgrades.settled(room_id, state)
            await self._cache.ready()
            reason = judge_invitation_by_mail(state, medium, address, self._cache.decide)
        if reason is None and await self._views.is_here(room_id, address):
            reason = RoomReason.ALREADY_HERE
        return self._answer(inviter, self._views.said(reason, ()) if reason else None)

    async def user_may_publish_room(self, user_id: str, room_id: str) -> Any:
        """Synapse does not say which way; a room that is listed may always be taken out."""
        state = await self._views.room(room_id)
        if state is None:
            return self._refusals.allowed
        state = await self._views.with_listing(room_id, state)
        reason = None if state.listed else judge_visibility(state, "public")
        if reason is not None and await self._cache.is_free(user_id):
            reason = None
        return self._answer(user_id, reason)

    def _has_guests_by_mail(self, asked: Mapping[str, Any]) -> bool:
        listed = asked.get("invite_3pid")
        addresses = [
            str(mapping(each).get("address"))
            for each in (listed if isinstance(listed, list) else ())
        ]
        decisions = [self._cache.decide(address) for address in addresses]
        return any(
            each and each.homeserver and each.account_class is AccountClass.GUEST
            for each in decisions
        )

    def _judge_mail_at_creation(self, creation: Creation) -> RoomReason | None:
        rule = creation.rule or AccessRule.RESTRICTED
        state = RoomState(rule_event={"rule": rule.value})
        listed = creation.request.get("invite_3pid")
        for invitation in listed if isinstance(listed, list) else ():
            asked = mapping(invitation)
            medium, address = str(asked.get("medium")), str(asked.get("address"))
            reason = judge_invitation_by_mail(state, medium, address, self._cache.decide)
            if reason is not None:
                return reason
        return None

    async def _seated(
        self,
        coming: str | None,
        state: RoomState,
        verdict: Callable[[Successors], Awaitable[RoomReason | None]],
    ) -> RoomReason | None:
        """Before both seats of a conversation are said to be taken, it is asked whose one of them is by now."""
        reason = await verdict(frozenset())
        if reason is not RoomReason.DIRECT_FULL or coming is None:
            return reason
        successors = await self._predecessors.of(coming, state)
        return await verdict(successors) if successors else reason

    def _guichet(self) -> Guichet:
        keys = frozenset(self._cache.guichet_keys.values())
        return Guichet(self._cache.identity_servers, keys)

    def _default_version(self) -> str:
        try:
            return str(self._api._hs.config.server.default_room_version.identifier)  # noqa: SLF001  # said nowhere else
        except AttributeError:
            return NEWEST

    def _answer(self, user_id: str, reason: Word | None) -> Any:
        return self._refusals.refuse(reason, user_id) if reason else self._refusals.allowed


def _is_judged(event: Any) -> bool:
    return event.type == REDACTION or (event.type in JUDGES and event.is_state())


def _sentences() -> Mapping[Word, Sentence]:
    """With the next step in them, also for reasons that the parts share."""
    return {reason: Sentence(reason.texts["fr"], reason.texts["en"]) for reason in RoomReason}
