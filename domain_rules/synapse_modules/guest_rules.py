"""Guests answer; they do not start: every way to begin a conversation, closed to those who are guests."""

from collections.abc import Mapping
from typing import Any

from domain_rules.rooms import guest_permissions
from domain_rules.rooms.guest_permissions import Action
from domain_rules.rules import AccountClass

from . import other_modules, room_rows
from .cache import Cache, server_of
from .configuration import Config
from .guards import Guards
from .refusals import Refusals
from .sentences import Reason

MEMBER = "m.room.member"
CREATE = "m.room.create"
REASONS = {
    Action.CREATE_ROOM: Reason.GUEST_MAY_NOT_CREATE_ROOM,
    Action.UPGRADE_ROOM: Reason.GUEST_MAY_NOT_UPGRADE_ROOM,
    Action.INVITE: Reason.GUEST_MAY_NOT_INVITE,
    Action.INVITE_BY_MAIL: Reason.GUEST_MAY_NOT_INVITE_BY_MAIL,
    Action.JOIN_UNINVITED: Reason.GUEST_MAY_NOT_JOIN_UNINVITED,
    Action.KNOCK: Reason.GUEST_MAY_NOT_KNOCK,
    Action.MAKE_ALIAS: Reason.GUEST_MAY_NOT_MAKE_ALIAS,
    Action.PUBLISH_ROOM: Reason.GUEST_MAY_NOT_PUBLISH_ROOM,
    Action.BE_CREATOR: Reason.GUEST_MAY_NOT_BE_CREATOR,
}
# Each of these has a callback of its own, which the homeserver of who does it has asked before.
ASKED_BEFORE = (
    *(Action.CREATE_ROOM, Action.UPGRADE_ROOM, Action.JOIN_UNINVITED),
    *(Action.INVITE, Action.INVITE_BY_MAIL),
)
# The preset that makes everybody who is invited an equal of the creator, and the one that does not.
TRUSTED, PRIVATE = "trusted_private_chat", "private_chat"


class Part:
    """Each callback begins with whom it judges; a fault of ours closes for guests and opens for agents."""

    def __init__(
        self,
        config: Config,
        api: Any,
        cache: Cache,
        refusals: Refusals,
    ) -> None:
        self._config = config
        self._api = api
        self._cache = cache
        self._refusals = refusals
        guards = Guards(refusals, closes_for=self._is_guest)
        api.register_spam_checker_callbacks(
            user_may_create_room=guards.answering(self.user_may_create_room),
            user_may_invite=guards.answering(self.user_may_invite),
            federated_user_may_invite=guards.answering(self.federated_user_may_invite),
            user_may_send_3pid_invite=guards.answering(self.user_may_send_3pid_invite),
            user_may_join_room=guards.answering(self.user_may_join_room),
            user_may_create_room_alias=guards.answering(self.user_may_create_room_alias),
            user_may_publish_room=guards.answering(self.user_may_publish_room),
        )
        api.register_third_party_rules_callbacks(
            on_create_room=guards.insisting(self.on_create_room),
            check_event_allowed=guards.insisting(
                self.check_event_allowed,
                concerns=lambda event: event.type in guest_permissions.JUDGED_EVENTS,
            ),
        )

    async def user_may_create_room(self, user_id: str) -> Any:
        """A room upgrade: of any other creation `on_create_room` was asked before.

        With a second parameter Synapse would copy the request for us, and fail over what other modules leave in it.
        """
        if self._refusals.is_log_only:
            return (
                self._refusals.allowed
            )  # counted with the create event, which says which of the two it is
        return await self._answer(user_id, Action.UPGRADE_ROOM)

    async def user_may_invite(self, inviter: str, _invitee: str, _room_id: str) -> Any:
        """Also an invitation by mail, when the address is known."""
        if server_of(inviter) != self._cache.own_name and self._refusals.is_log_only:
            return self._refusals.allowed  # counted below
        return await self._answer(inviter, Action.INVITE)

    async def federated_user_may_invite(self, event: Any) -> Any:
        """An invitation that arrives from another homeserver."""
        return await self._answer(event.sender, Action.INVITE)

    async def user_may_send_3pid_invite(
        self, inviter: str, _medium: str, _address: str, _room_id: str
    ) -> Any:
        """By the class alone; what Guichet has against an inviter or an address is asked last, see `invitation_check`."""
        return await self._answer(inviter, Action.INVITE_BY_MAIL)

    async def user_may_join_room(self, user_id: str, room_id: str, is_invited: bool) -> Any:  # noqa: FBT001  # Synapse calls by position
        """Synapse asks for a change of profile too, which is a join over a join."""
        if is_invited or await self._may(user_id, Action.JOIN_UNINVITED):
            return self._refusals.allowed
        if await self._is_joined(user_id, room_id):
            return self._refusals.allowed
        return self._refusals.refuse(self._reason(user_id, Action.JOIN_UNINVITED), user_id)

    async def user_may_create_room_alias(self, user_id: str, _alias: Any) -> Any:
        return await self._answer(user_id, Action.MAKE_ALIAS)

    async def user_may_publish_room(self, user_id: str, _room_id: str) -> Any:
        return await self._answer(user_id, Action.PUBLISH_ROOM)

    async def on_create_room(self, requester: Any, asked: dict[str, Any], _is_admin: bool) -> None:  # noqa: FBT001  # Synapse calls by position
        """Before any other part looks at the request: a guest's is refused, guests in an agent's get no power."""
        user_id = requester.user.to_string()
        creation = asked.get("creation_content")
        if not self._refusals.is_log_only:  # there it is counted with the create event
            await self._insist(user_id, guest_permissions.deed_of_creation(creation))
        self._refuse_guest_creators(creation)
        if asked.get("preset") == TRUSTED:
            self._take_power_from_guests(asked)

    async def check_event_allowed(
        self, event: Any, state: Mapping[tuple[str, str], Any]
    ) -> tuple[bool, None]:
        """What has no callback of its own: knocks, and people of other homeservers in rooms of this one."""
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
        """By anybody, administrators too: nobody could take the power away again."""
        for named in guest_permissions.creators_named(creation):
            if self._is_guest(named):
                self._refusals.refuse_by_raising(self._reason(named, Action.BE_CREATOR), named)

    def _take_power_from_guests(self, asked: dict[str, Any]) -> None:
        guests = [named for named in guest_permissions.invitees(asked) if self._is_guest(named)]
        if guests and self._refusals.is_log_only:
            self._refusals.note(Reason.GUEST_MAY_NOT_HOLD_POWER, guests[0])
        elif guests:  # nothing is refused: every client starts a chat so
            asked["preset"] = PRIVATE

    async def _answer(self, user_id: str, action: Action) -> Any:
        if await self._may(user_id, action):
            return self._refusals.allowed
        return self._refusals.refuse(self._reason(user_id, action), user_id)

    async def _insist(self, user_id: str, action: Action) -> None:
        if not await self._may(user_id, action):
            self._refusals.refuse_by_raising(self._reason(user_id, action), user_id)

    async def _may(self, user_id: str, action: Action) -> bool:
        """From memory for agents; before a guest is refused, an administrator of a moment ago is seen."""
        await self._cache.ready()
        if guest_permissions.may(self._cache.class_by_source(user_id), action):
            return True
        if await self._cache.is_free(user_id):
            self._refusals.note_exemption(REASONS[action], user_id)
            return True
        return False

    def _is_counted(self, event: Any, action: Action | None) -> bool:
        """Where nothing is refused, what was counted by another callback comes here as well."""
        is_here = server_of(event.sender) == self._cache.own_name
        was_asked = action in ASKED_BEFORE and event.type != CREATE
        return self._refusals.is_log_only and is_here and was_asked

    def _is_guest(self, user_id: str) -> bool:
        return self._cache.class_of(user_id) is AccountClass.GUEST

    def _reason(self, user_id: str, action: Action) -> Reason:
        is_known = self._cache.is_class_known(user_id)
        return REASONS[action] if is_known else Reason.CLASS_NOT_YET_KNOWN

    async def _is_joined(self, user_id: str, room_id: str) -> bool:
        database, wanted = self._api.run_db_interaction, [(MEMBER, user_id)]
        rows = await database("guichet_joined", room_rows.read, room_id, wanted)
        member = rows.events.get((MEMBER, user_id)) if rows else None
        return member is not None and member.content.get("membership") == "join"


def _is_creators_first_join(event: Any, state: Mapping[tuple[str, str], Any]) -> bool:
    created = state.get((CREATE, ""))
    return bool(
        event.type == MEMBER and len(state) == 1 and created and created.sender == event.sender
    )
