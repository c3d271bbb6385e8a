"""Closes every way to start a conversation to guests: they answer, they do not start."""

from collections.abc import Mapping
from typing import Any

from domain_rules.rooms import guest_permissions
from domain_rules.rooms.guest_permissions import UserAction
from domain_rules.rooms.room import CREATE, MEMBER, additional_creators_of, as_texts
from domain_rules.rule import AccountClass
from domain_rules.user_ids import homeserver_of

from . import other_modules, room_rows
from .guards import Guards
from .part import Context, Part
from .sentences import RefusalReason

REASONS = {
    UserAction.CREATE_ROOM: RefusalReason.GUEST_MAY_NOT_CREATE_ROOM,
    UserAction.UPGRADE_ROOM: RefusalReason.GUEST_MAY_NOT_UPGRADE_ROOM,
    UserAction.INVITE: RefusalReason.GUEST_MAY_NOT_INVITE,
    UserAction.INVITE_BY_MAIL: RefusalReason.GUEST_MAY_NOT_INVITE_BY_MAIL,
    UserAction.JOIN_UNINVITED: RefusalReason.GUEST_MAY_NOT_JOIN_UNINVITED,
    UserAction.KNOCK: RefusalReason.GUEST_MAY_NOT_KNOCK,
    UserAction.MAKE_ALIAS: RefusalReason.GUEST_MAY_NOT_MAKE_ALIAS,
    UserAction.PUBLISH_ROOM: RefusalReason.GUEST_MAY_NOT_PUBLISH_ROOM,
    UserAction.BE_CREATOR: RefusalReason.GUEST_MAY_NOT_BE_CREATOR,
}
# Each of these has its own callback, called before on the homeserver of the acting user.
JUDGED_BEFORE = (
    *(UserAction.CREATE_ROOM, UserAction.UPGRADE_ROOM, UserAction.JOIN_UNINVITED),
    *(UserAction.INVITE, UserAction.INVITE_BY_MAIL),
)
# The preset that gives invited users the creator's power level, and the one that does not.
TRUSTED_PRESET, PRIVATE_PRESET = "trusted_private_chat", "private_chat"


class GuestRules(Part):
    """The part. An error of ours refuses guests and lets agents go on."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        guards = Guards(self.refusals, closes_for=self.cache.is_guest)
        self.api.register_spam_checker_callbacks(
            user_may_create_room=guards.answering(self.user_may_create_room),
            user_may_invite=guards.answering(self.user_may_invite),
            federated_user_may_invite=guards.answering(self.federated_user_may_invite),
            user_may_send_3pid_invite=guards.answering(self.user_may_send_3pid_invite),
            user_may_join_room=guards.answering(self.user_may_join_room),
            user_may_create_room_alias=guards.answering(self.user_may_create_room_alias),
            user_may_publish_room=guards.answering(self.user_may_publish_room),
        )
        self.api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room),
            check_event_allowed=guards.insisting(self.check_event_allowed, concerns=self.is_judged),
        )

    @staticmethod
    def is_judged(event: Any) -> bool:
        """Whether an event concerns `check_event_allowed` here."""
        return event.type in guest_permissions.JUDGED_EVENTS

    async def user_may_create_room(self, user_id: str) -> Any:
        """A room upgrade: for all other creations `on_create_room` was called before.

        With a second parameter Synapse would copy the request for us, and fail on what other
        modules leave in it.
        """
        if self.refusals.is_log_only:
            # Counted with the create event, which tells creation and upgrade apart.
            return self.refusals.allowed
        return await self._answer(user_id, UserAction.UPGRADE_ROOM)

    async def user_may_invite(self, inviter: str, _invitee: str, _room_id: str) -> Any:
        """Also called for an invitation by mail whose address has an account."""
        if homeserver_of(inviter) != self.cache.own_name and self.refusals.is_log_only:
            return self.refusals.allowed  # counted below
        return await self._answer(inviter, UserAction.INVITE)

    async def federated_user_may_invite(self, event: Any) -> Any:
        """An invitation that arrives from another homeserver."""
        return await self._answer(event.sender, UserAction.INVITE)

    async def user_may_send_3pid_invite(
        self, inviter: str, _medium: str, _address: str, _room_id: str
    ) -> Any:
        """By class alone; Guichet is asked last, see `invitation_check`."""
        return await self._answer(inviter, UserAction.INVITE_BY_MAIL)

    async def user_may_join_room(
        self,
        user_id: str,
        room_id: str,
        is_invited: bool,  # noqa: FBT001  # Synapse calls by position
    ) -> Any:
        """Synapse calls it for profile changes too, which are a join over a join."""
        if is_invited or await self._may(user_id, UserAction.JOIN_UNINVITED):
            return self.refusals.allowed
        if await self._is_joined(user_id, room_id):
            return self.refusals.allowed
        return self.refusals.refuse(self._reason(user_id, UserAction.JOIN_UNINVITED), user_id)

    async def user_may_create_room_alias(self, user_id: str, _alias: Any) -> Any:
        return await self._answer(user_id, UserAction.MAKE_ALIAS)

    async def user_may_publish_room(self, user_id: str, _room_id: str) -> Any:
        return await self._answer(user_id, UserAction.PUBLISH_ROOM)

    async def on_create_room(
        self,
        requester: Any,
        request: dict[str, Any],
        _is_admin: bool,  # noqa: FBT001  # Synapse calls by position
    ) -> None:
        """The first part to see the request.

        A guest's is refused; guests invited by an agent get no power.
        """
        user_id = requester.user.to_string()
        creation = request.get("creation_content")
        if not self.refusals.is_log_only:  # log mode counts it with the create event
            await self._insist(user_id, guest_permissions.action_of_creation(creation))
        self._refuse_guest_creators(creation)
        if request.get("preset") == TRUSTED_PRESET:
            self._take_power_from_guests(request)

    async def check_event_allowed(
        self, event: Any, state: Mapping[tuple[str, str], Any]
    ) -> tuple[bool, None]:
        """What has no callback of its own: knocks, and remote users in rooms of this homeserver."""
        state = other_modules.state_events(state)
        subject = getattr(event, "state_key", None)
        before = state.get((MEMBER, subject)) if event.type == MEMBER and subject else None
        action = guest_permissions.action_of_event(
            event.type,
            event.content,
            is_own=subject == event.sender,
            membership_before=before.content.get("membership") if before else None,
        )
        is_judged = self._is_counted(event, action) or _is_creators_first_join(event, state)
        if action is not None and not is_judged:
            await self._insist(event.sender, action)
        if event.type == CREATE:
            self._refuse_guest_creators(event.content)
        return True, None

    def _refuse_guest_creators(self, creation: object) -> None:
        """Also for administrators: nobody could take the power away again."""
        for named in additional_creators_of(creation):
            if self.cache.is_guest(named):
                self.refusals.refuse_by_raising(self._reason(named, UserAction.BE_CREATOR), named)

    def _take_power_from_guests(self, request: dict[str, Any]) -> None:
        guests = [named for named in as_texts(request.get("invite")) if self.cache.is_guest(named)]
        if guests and self.refusals.is_log_only:
            self.refusals.record(RefusalReason.GUEST_MAY_NOT_HOLD_POWER, guests[0])
        elif guests:  # not refused: all clients start chats with this preset
            request["preset"] = PRIVATE_PRESET

    async def _answer(self, user_id: str, action: UserAction) -> Any:
        if await self._may(user_id, action):
            return self.refusals.allowed
        return self.refusals.refuse(self._reason(user_id, action), user_id)

    async def _insist(self, user_id: str, action: UserAction) -> None:
        if not await self._may(user_id, action):
            self.refusals.refuse_by_raising(self._reason(user_id, action), user_id)

    async def _may(self, user_id: str, action: UserAction) -> bool:
        """Whether the user may do it: from memory for agents.

        Before refusing, Synapse is asked whether the user has become an administrator.
        """
        await self.cache.ready()
        if self.cache.class_by_source(user_id) is AccountClass.AGENT:
            return True
        if await self.cache.is_exempt_now(user_id):
            self.refusals.record_exemption(REASONS[action], user_id)
            return True
        return False

    def _is_counted(self, event: Any, action: UserAction | None) -> bool:
        """In log mode, whether another callback has counted this action before."""
        is_here = homeserver_of(event.sender) == self.cache.own_name
        was_asked = action in JUDGED_BEFORE and event.type != CREATE
        return self.refusals.is_log_only and is_here and was_asked

    def _reason(self, user_id: str, action: UserAction) -> RefusalReason:
        is_known = self.cache.is_class_known(user_id)
        return REASONS[action] if is_known else RefusalReason.CLASS_NOT_YET_KNOWN

    async def _is_joined(self, user_id: str, room_id: str) -> bool:
        wanted = [(MEMBER, user_id)]
        rows = await self._query("guichet_joined", room_rows.read_state, room_id, wanted)
        member = rows.events.get((MEMBER, user_id)) if rows else None
        return member is not None and member.content.get("membership") == "join"


def _is_creators_first_join(event: Any, state: Mapping[tuple[str, str], Any]) -> bool:
    created = state.get((CREATE, ""))
    return bool(
        event.type == MEMBER and len(state) == 1 and created and created.sender == event.sender
    )
