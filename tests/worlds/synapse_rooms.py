"""What tests do in rooms of real Synapses, as clients do."""

from typing import Any
from urllib.parse import quote

from requests import Response

from tests.services.guichet_synapse import Person

RULE = "im.vector.room.access_rules"
ENCRYPTION, LEVELS = "m.room.encryption", "m.room.power_levels"
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
ROOMS_ALONE = {"registration_gate": False, "binder": False, "directory": False, "desk": False}
"""Parts of the module that tests of rooms do without."""

CONTENTS = {
    "an empty algorithm": (ENCRYPTION, {"algorithm": ""}, "algorithm_does_not_encrypt"),
    "no algorithm": (ENCRYPTION, {}, "algorithm_does_not_encrypt"),
    "none of them": (ENCRYPTION, {"algorithm": "m.none"}, "algorithm_does_not_encrypt"),
    "no text": (ENCRYPTION, {"algorithm": 7}, "algorithm_does_not_encrypt"),
    "history for all": (
        "m.room.history_visibility",
        {"history_visibility": "world_readable"},
        "history_is_for_members",
    ),
    "history for whom": ("m.room.history_visibility", {}, "history_is_for_members"),
    "without account": (
        "m.room.guest_access",
        {"guest_access": "can_join"},
        "no_access_without_an_account",
    ),
    "default power": (LEVELS, {"users_default": 50}, "users_default_stays_zero"),
    "state for all": (LEVELS, {"state_default": 0}, "power_levels_too_low"),
    "rule for all": (LEVELS, {"events": {RULE: 0}}, "power_levels_too_low"),
    "kicks for all": (LEVELS, {"kick": 0}, "power_levels_too_low"),
    "invitations for all": (LEVELS, {"invite": 0}, "power_levels_too_low"),
    "an unknown rule": (RULE, {"rule": "open"}, "invalid_access_rule"),
    "no rule": (RULE, {}, "invalid_access_rule"),
    "public after all": (
        RULE,
        {"rule": "unrestricted", "visibility": "public"},
        "private_room_stays_private",
    ),
}
"""What is tried in a room that is open to guests: type of the event, content, and why it is refused."""

OTHERS = (
    ("m.room.topic", "", {"topic": "Trees"}),
    ("m.room.avatar", "", {"url": "mxc://localhost/picture"}),
    ("m.room.tombstone", "", {"body": "moved", "replacement_room": "!new:localhost"}),
    ("m.room.server_acl", "", {"allow": ["*"], "deny": ["elsewhere.example"]}),
    ("m.room.policy", "", {"via": "localhost"}),
    ("m.space.child", "!child:localhost", {"via": ["localhost"]}),
    ("m.space.parent", "!parent:localhost", {"via": ["localhost"]}),
    ("m.room.canonical_alias", "", {}),
    ("m.room.pinned_events", "", {"pinned": []}),
)
"""One event of each type that an owner may send and a room is not made with."""


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
