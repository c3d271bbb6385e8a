"""Finds rooms of a homeserver that everybody can read although they are not public.

Our module prevents such rooms; these are older than the module, or an administrator made them.
"""

from collections.abc import Iterator
from typing import Any

from domain_rules.rooms.room import RULE_EVENT, as_mapping
from identity.core.findings import Finding, Silent, State, findings_or_silence, found
from identity.core.http_client import Away, JsonClient, quote_path_segment

OK = 200
ROOMS = "/_synapse/admin/v1/rooms"
SECONDS = 30.0  # for all requests together
# `world_readable` is the last value in alphabetical order, so it comes first here.
READABLE_FIRST = "order_by=history_visibility&dir=b&limit=100"
MAX_ROOMS = 200  # whose access rule is checked
SHOWN = 3


def check_readable_rooms(talk: JsonClient, name: str, *, token: str | None) -> Iterator[Finding]:
    """Check the rooms made on the homeserver `name`, if there is an administrator's token."""
    if token is not None:
        yield from findings_or_silence(name, "silent_readers", _look(talk, name, token))


def _look(talk: JsonClient, name: str, token: str) -> Iterator[Finding]:
    try:
        read = [
            room for room in _world_readable(talk, name, token) if not _is_public(talk, room, token)
        ]
    except Away:
        raise Silent from None
    if not read:
        yield found(name, State.OK, "readers")
        return
    shown = ", ".join([str(room["room_id"]) for room in read[:SHOWN]])
    if more := max(len(read) - SHOWN, 0):
        yield found(name, State.ATTENTION, "readers_open_more", rooms=shown, more=more)
    else:
        yield found(name, State.ATTENTION, "readers_open", rooms=shown)


def _world_readable(talk: JsonClient, name: str, token: str) -> Iterator[dict[str, Any]]:
    """Yield world-readable rooms made on this homeserver and not in the room directory.

    Rooms for which Synapse has no statistics yet may come first in its answer.
    """
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
    """Whether its access rule makes it public for all agents, though it is not in the directory."""
    answer = talk.call("GET", f"{ROOMS}/{quote_path_segment(room['room_id'])}/state", token=token)
    state = answer.body.get("state")
    if answer.status != OK or not isinstance(state, list):
        raise Silent
    for event in map(as_mapping, state):
        if event.get("type") == RULE_EVENT and not event.get("state_key"):
            return as_mapping(event.get("content")).get("visibility") == "public"
    return False
