"""Room actions of Guichet on this homeserver: place an invitation, revoke it, look at a room.

An invitation is sent in the name of the person who invites.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from domain_rules.rooms import room as rooms
from domain_rules.rooms.membership import judge_invitation_by_mail
from domain_rules.rooms.room import (
    CREATE,
    MEMBER,
    POWER_LEVELS,
    RULE_EVENT,
    THIRD_PARTY_INVITE,
    RoomState,
)
from domain_rules.user_ids import homeserver_of

from . import room_rows
from .declarations import ACTIONS
from .part import Context, Part
from .room_action_requests import NotFromGuichet, SignedRequests
from .sentences import RefusalReason

PATH = "/_synapse/client/org.guichet/v1"
JOIN, INVITE = "join", "invite"
NAME = "m.room.name"
INVITE_LEVEL = 0  # where the power levels say nothing
KEYS = ("display_name", "public_key", "public_keys", "key_validity_url")
ABOUT_ROOM = ((CREATE, ""), (POWER_LEVELS, ""), (RULE_EVENT, ""), (NAME, ""))
FORBIDDEN, BAD_REQUEST = 403, 400
MAX_EVENTS = 100_000  # of a room, in the search for somebody who may revoke an invitation

logger = logging.getLogger(__name__)


class RoomActions(Part):
    """The part: paths for Guichet alone. Requests are signed, expire, and are accepted once."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._judges_rooms = self.config.parts.room_access_rules
        signed_requests = SignedRequests(context)
        for name in ACTIONS:
            answer = getattr(self, name)
            self.api.register_web_resource(
                f"{PATH}/{name}", _resource(signed_requests, name, answer)
            )

    async def invite(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A repeated request is one event: Synapse drops a state event that changes nothing."""
        sender, room_id = _text(request, "sender"), _text(request, "room_id")
        target = request.get("user_id")
        state = await self._state(room_id, sender, *([target] if isinstance(target, str) else []))
        self._check_sender(state, sender)
        if isinstance(target, str):
            membership = state.membership(target)
            if membership not in (JOIN, INVITE):
                await self.api.update_room_membership(sender, target, room_id, INVITE)
            return {"membership": membership or INVITE}
        self._check_address(state, request, sender)
        content = {key: request[key] for key in KEYS if key in request}
        event_id = await self._send(sender, room_id, _text(request, "token"), content)
        return {"event_id": event_id}

    async def revoke(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """By the inviter, if they still may; else by another local member with the power to."""
        room_id, token = _text(request, "room_id"), _text(request, "token")
        events = await self._events(
            room_id, [*ABOUT_ROOM, (MEMBER, None), (THIRD_PARTY_INVITE, token)]
        )
        state = _read(events)
        if not state.third_party_invites.get(token):
            return {"event_id": None}  # never there, or empty already
        for sender in self._who_may_empty(state, request.get("sender")):
            event_id = await self._try_to_empty(sender, room_id, token)
            if event_id:
                return {"event_id": event_id}
        raise self._error(FORBIDDEN, "Nobody here may take this invitation out of the room.")

    async def room(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Whether the sender may invite here, and whom the room accepts."""
        sender, room_id = _text(request, "sender"), _text(request, "room_id")
        events = await self._events(room_id, [*ABOUT_ROOM, (MEMBER, sender)])
        state, named = _read(events), events.get((NAME, ""))
        joined = state.membership(sender) == JOIN
        name = named.content.get("name") if joined and named else None
        return {
            "joined": joined,
            "may_invite": joined and self._is_here(sender) and _may_invite(state, sender),
            "open_to_guests": not self._judges_rooms or state.is_open_to_guests,
            "name": name if isinstance(name, str) else None,
        }

    async def membership(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The membership of a user; with a token, whether its invitation stands."""
        token = request.get("token")
        found: dict[str, Any] = await self._query(
            "guichet_membership",
            room_rows.read_membership,
            _text(request, "room_id"),
            _text(request, "user_id"),
            token if isinstance(token, str) and token else None,
            self.cache.own_name,
        )
        return found

    async def _try_to_empty(self, sender: str, room_id: str, token: str) -> str | None:
        try:
            return await self._send(sender, room_id, token, {})
        except self.refusals.terms.error_class as error:
            logger.info("%s may not empty an invitation in %s: %s", sender, room_id, error)
            return None

    async def _send(self, sender: str, room_id: str, token: str, content: Any) -> str:
        event = await self.api.create_and_send_event_into_room(
            {
                "type": THIRD_PARTY_INVITE,
                "room_id": room_id,
                "sender": sender,
                "state_key": token,
                "content": content,
            }
        )
        return str(event.event_id)

    async def _state(self, room_id: str, *people: str) -> RoomState:
        wanted: list[tuple[str, Any]] = [(MEMBER, user_id) for user_id in people]
        if self._judges_rooms:
            wanted.append((THIRD_PARTY_INVITE, None))
        return _read(await self._events(room_id, [*ABOUT_ROOM, *wanted]))

    async def _events(
        self, room_id: str, wanted: Iterable[tuple[str, str | None]]
    ) -> Mapping[tuple[str, str], Any]:
        """State as far as known here. Guichet asks again, so an incomplete room is not awaited."""
        rows = await self._query("guichet_desk", room_rows.read_state, room_id, wanted, MAX_EVENTS)
        return rows.events if rows else {}

    def _check_sender(self, state: RoomState, sender: str) -> None:
        if not self._is_here(sender) or state.membership(sender) != JOIN:
            raise self._error(FORBIDDEN, "The sender is not in this room.")
        if not _may_invite(state, sender):
            raise self._error(FORBIDDEN, "The sender may not invite to this room.")
        if self.cache.is_guest(sender):
            self.refusals.refuse_by_raising(RefusalReason.GUEST_MAY_NOT_INVITE_BY_MAIL, sender)

    def _check_address(self, state: RoomState, request: Mapping[str, Any], sender: str) -> None:
        if not self._judges_rooms:
            return
        why = judge_invitation_by_mail(state, "email", _text(request, "address"), self.cache.decide)
        if why is not None:
            self.refusals.refuse_by_raising(why, sender)

    def _who_may_empty(self, state: RoomState, sender: object) -> list[str]:
        here = [
            user_id
            for user_id, member in state.members.items()
            if member.membership == JOIN and self._is_here(user_id) and _may_invite(state, user_id)
        ]
        return sorted(
            here,
            key=lambda user_id: (
                user_id != sender,
                self.cache.is_guest(user_id),
                -state.power(user_id),
                user_id,
            ),
        )

    def _is_here(self, user_id: str) -> bool:
        return homeserver_of(user_id) == self.cache.own_name

    def _error(self, status: int, why: str) -> Exception:
        return self.refusals.terms.error_class(status, why, self.refusals.terms.forbidden)


def _read(events: Mapping[tuple[str, str], Any]) -> RoomState:
    create = events.get((CREATE, ""))
    version = create.content.get("room_version", "1") if create else "1"
    return rooms.read_room(str(version), events)


def _may_invite(state: RoomState, user_id: str) -> bool:
    needed = rooms.as_level((state.power_levels or {}).get("invite"), INVITE_LEVEL)
    return state.power(user_id) >= needed


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise NotFromGuichet(BAD_REQUEST, f"{key} is missing")
    return value


def _resource(signed_requests: SignedRequests, action: str, answer: Any) -> Any:
    """Made here, since Twisted and Synapse exist only inside a homeserver."""
    from synapse.api.errors import Codes, SynapseError  # noqa: PLC0415  # see above
    from synapse.http.servlet import parse_json_object_from_request  # noqa: PLC0415  # see above
    from synapse.module_api import DirectServeJsonResource  # noqa: PLC0415  # see above

    class RoomActionResource(DirectServeJsonResource):  # type: ignore[misc]  # untyped
        """One path."""

        isLeaf = True  # noqa: N815  # Twisted's name

        async def _async_render_POST(  # noqa: N802  # Synapse's name
            self, request: Any
        ) -> tuple[int, dict[str, Any]]:
            try:
                body = await signed_requests.verify(action, parse_json_object_from_request(request))
            except NotFromGuichet as fault:
                raise SynapseError(fault.status, str(fault), Codes.FORBIDDEN) from None
            try:
                return 200, signed_requests.seal(action, body, await answer(body))
            except SynapseError as refusal:
                status, facts = refusal.code, refusal.error_dict(None)
            except NotFromGuichet as fault:
                status, facts = fault.status, {"errcode": Codes.FORBIDDEN, "error": str(fault)}
            return status, signed_requests.seal(action, body, facts, status=status)

    return RoomActionResource()
