"""Rooms of a homeserver that everybody reads, though they are not public: from before our module, or an administrator's."""

from collections.abc import Iterator
from typing import Any

from domain_rules.rooms.room import RULE_EVENT, mapping
from identity.command.findings import Finding, Silent, State, seen
from identity.core.http_client import Away, JsonClient, path_part

OK = 200
ROOMS = "/_synapse/admin/v1/rooms"
# Last by the alphabet, so first in this order.
SECONDS = 30.0  # for all of it
READABLE_FIRST = "order_by=history_visibility&dir=b&limit=100"
MAX_ROOMS = 200  # of which the rule is looked at
SHOWN = 3


def check_readable_rooms(talk: JsonClient, name: str, *, token: str | None) -> Iterator[Finding]:
    """`name` is the homeserver's: rooms of others are theirs to mend. Without an administrator's token nothing is seen."""
    if token is not None:
        yield from seen(name, "who reads its rooms", _look(talk, name, token))


def _look(talk: JsonClient, name: str, token: str) -> Iterator[Finding]:
    try:
        found = [
            room for room in _world_readable(talk, name, token) if not _is_public(talk, room, token)
        ]
    except Away:
        raise Silent from None
    if not found:
        told = "no room but public ones can be read by everybody"
        yield Finding(name, State.OK, told)
        return
    shown = ", ".join([str(room["room_id"]) for room in found[:SHOWN]])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    fix = "an owner sets m.room.history_visibility there to shared (docs/synapse.md 8)"
    told = f"rooms that are not public can be read by everybody: {shown}{more}"
    yield Finding(name, State.ATTENTION, told, fix)


def _world_readable(talk: JsonClient, name: str, token: str) -> Iterator[dict[str, Any]]:
    """Made here, and in no directory. Rooms of which Synapse has not counted yet may come before them."""
    start: object = 0
    counted = 0
    while isinstance(start, int):
        page = talk.call("GET", f"{ROOMS}?{READABLE_FIRST}&from={start}", token=token)
        rooms = page.body.get("rooms")
        if page.status != OK or not isinstance(rooms, list):
            raise Silent
        for room in filter(_is_named, rooms):
            visibility = room.get("history_visibility")
            if counted >= MAX_ROOMS or visibility not in (None, "world_readable"):
                return
            is_ours = str(room.get("creator")).endswith(f":{name}")
            if visibility and is_ours and not room.get("public"):
                counted += 1
                yield room
        start = page.body.get("next_batch")


def _is_named(room: object) -> bool:
    return isinstance(room, dict) and isinstance(room.get("room_id"), str)


def _is_public(talk: JsonClient, room: dict[str, Any], token: str) -> bool:
    """By its rule: it may be out of the directory, and yet for every agent."""
    answer = talk.call("GET", f"{ROOMS}/{path_part(room['room_id'])}/state", token=token)
    state = answer.body.get("state")
    if answer.status != OK or not isinstance(state, list):
        raise Silent
    for event in map(mapping, state):
        if event.get("type") == RULE_EVENT and not event.get("state_key"):
            return mapping(event.get("content")).get("visibility") == "public"
    return False
