"""Rooms and their people for the tests of the rules: Ana and Alice are agents, Gil and Gina guests, Olga is exempt."""

from collections.abc import Iterable
from typing import Any

import pytest

from domain_rules.rooms.creation import Creation, complete_request, judge_creation
from domain_rules.rooms.room import RULE_EVENT, Member, People, RoomState

ANA, ALICE = "@ana:agents.example", "@alice:agents.example"
GIL, GINA = "@gil:guests.example", "@gina:guests.example"
OLGA = "@olga:agents.example"
VERSIONS = ("10", "11", "12")
every_version = pytest.mark.parametrize("version", VERSIONS)
MEGOLM = [{"algorithm": "m.megolm.v1.aes-sha2"}]
PEOPLE = People(
    is_guest=lambda user_id: user_id.endswith(":guests.example"), exempt=frozenset({OLGA})
)
OURS = {
    "display_name": "l•••@asso.example",
    "key_validity_url": "https://id.example:8090/_matrix/identity/v2/pubkey/isvalid",
    "public_key": "AbC-_d",
    "public_keys": [
        {
            "public_key": "AbC-_d",
            "key_validity_url": "https://id.example:8090/_matrix/identity/v2/pubkey/isvalid",
        },
        {
            "public_key": "short",
            "key_validity_url": "https://id.example:8090/_matrix/identity/v2/pubkey/ephemeral/isvalid",
        },
    ],
}
NAMES, KEYS = frozenset({"id.example:8090"}), frozenset({"AbC+/d=="})


def joined(*user_ids: str) -> dict[str, Member]:
    return {user_id: Member("join", ANA) for user_id in user_ids}


def levels(version: str, **more: Any) -> dict[str, Any]:
    users = {} if version == "12" else {ANA: 100}
    return {"users": users, "users_default": 0, "state_default": 100, "invite": 50} | more


def room(version: str, rule: str | None = "restricted", **facts: Any) -> RoomState:
    """Ana's, who is in it. `visibility` and `force_unencrypted_at_creation` go into the rule event."""
    settings = {
        key: facts.pop(key)
        for key in ("visibility", "force_unencrypted_at_creation")
        if key in facts
    }
    return RoomState(
        version=version,
        creator=ANA,
        power_levels=facts.pop("power_levels", levels(version)),
        members=facts.pop("members", joined(ANA)),
        rule_event=None if rule is None else {"rule": rule, **settings},
        **facts,
    )


def creation(version: str = "12", *, by: str = ANA, **request: Any) -> Creation:
    return Creation(request=request, creator=by, default_version=version, people=PEOPLE)


def initial(event_type: str, **content: Any) -> dict[str, Any]:
    return {"type": event_type, "state_key": "", "content": content}


def rule_event(**content: Any) -> dict[str, Any]:
    return initial(RULE_EVENT, **content)


def contents(request: dict[str, Any], event_type: str) -> list[dict[str, Any]]:
    events: Iterable[dict[str, Any]] = request["initial_state"]
    return [event["content"] for event in events if event["type"] == event_type]


def made(version: str, **request: Any) -> dict[str, Any]:
    """The request as it is completed, for a room that may be made."""
    asked = creation(version, **request)
    assert judge_creation(asked) is None
    return complete_request(asked)


def levels_of(request: dict[str, Any]) -> Any:
    return request["power_level_content_override"]
