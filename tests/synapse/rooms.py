"""What tests do in rooms of real Synapses, as clients do."""

from typing import Any
from urllib.parse import quote

from requests import Response

from tests.services.guichet_synapse import Person

RULE = "im.vector.room.access_rules"
ROOMS_ALONE = {"registration_gate": False, "binder": False, "directory": False, "desk": False}
"""Parts of the module that tests of rooms do without."""


def reason(answer: Response, status: int = 403) -> str:
    """Why it was refused; fails if it was not, or without both texts."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told["org.guichet.message"]) == {"fr", "en"}
    return told["org.guichet.reason"]


def initial(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


def rule_event(rule: str, **more: Any) -> dict[str, Any]:
    return initial(RULE, rule=rule, **more)


def invite(person: Person, room_id: str, **whom: str) -> Response:
    return person.ask("POST", f"/rooms/{quote(room_id)}/invite", **whom)


def put(person: Person, room_id: str, kind: str, key: str = "", **content: Any) -> Response:
    return person.ask("PUT", f"/rooms/{quote(room_id)}/state/{kind}/{quote(key)}", **content)


def redact(person: Person, room_id: str, event_id: str) -> Response:
    path = f"/rooms/{quote(room_id)}/redact/{quote(event_id)}/{quote(person.user_id + event_id)}"
    return person.ask("PUT", path)


def state_ids(person: Person, room_id: str) -> dict[tuple[str, str], str]:
    """Of what stands in the room, by type and state key."""
    told = person.do("GET", f"/rooms/{quote(room_id)}/state")
    return {(event["type"], event["state_key"]): event["event_id"] for event in told}


def upgrade(person: Person, room_id: str, version: str, **more: Any) -> str:
    path = f"/rooms/{quote(room_id)}/upgrade"
    return str(person.do("POST", path, new_version=version, **more)["replacement_room"])
