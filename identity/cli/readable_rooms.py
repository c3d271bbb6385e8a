"""Rooms of a homeserver that everybody reads, though they are not public: from before our module, or an administrator's."""

from collections.abc import Iterator
from typing import Any

from domain_rules.rooms import RULE_EVENT, mapping
from identity.gateways.http_client import Away, JsonClient, path_part

from .findings import Finding, State

OK = 200
ROOMS = "/_synapse/admin/v1/rooms"
# Last by the alphabet, so first in this order.
READABLE_FIRST = "order_by=history_visibility&dir=b&limit=100"
MOST = 200  # of which the rule is looked at
SHOWN = 3


def look(talk: JsonClient, name: str, *, token: str | None) -> Iterator[Finding]:
    """`name` is the homeserver's: rooms of others are theirs to mend. Without an administrator's token nothing is seen."""
    if token is None:
        return
    try:
        found = [
            room for room in _world_readable(talk, name, token) if not _is_public(talk, room, token)
        ]
    except Away:
        told = "its rooms that everybody reads were not looked at: it did not answer in time"
        yield Finding(name, State.ATTENTION, told, "ask again; if it stays so, is it overloaded?")
        return
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
    seen = 0
    while isinstance(start, int):
        page = talk.call("GET", f"{ROOMS}?{READABLE_FIRST}&from={start}", token=token)
        for room in page.body.get("rooms", []) if page.status == OK else []:
            visibility = room.get("history_visibility")
            if seen >= MOST or visibility not in {None, "world_readable"}:
                return
            is_ours = str(room.get("creator")).endswith(f":{name}")
            if visibility and is_ours and not room.get("public"):
                seen += 1
                yield room
        start = page.body.get("next_batch")


def _is_public(talk: JsonClient, room: dict[str, Any], token: str) -> bool:
    """By its rule: it may be out of the directory, and yet for every agent."""
    answer = talk.call("GET", f"{ROOMS}/{path_part(room['room_id'])}/state", token=token)
    state = answer.body.get("state")
    for event in state if isinstance(state, list) else ():
        if event.get("type") == RULE_EVENT and not event.get("state_key"):
            return mapping(event.get("content")).get("visibility") == "public"
    return False
