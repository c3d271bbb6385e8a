"""A room at its creation: the rule it gets, and what is refused, in room versions 10 to 12."""

from dataclasses import replace

import pytest

from domain_rules.rooms.creation import complete_request, judge_creation
from domain_rules.rooms.reasons import MALFORMED_CREATIONS, RoomReason
from domain_rules.rooms.room import RULE_EVENT
from tests.worlds.made_rooms import (
    ALICE,
    ANA,
    GIL,
    MEGOLM,
    OLGA,
    contents,
    creation,
    every_version,
    initial,
    made,
    rule_event,
)


@every_version
@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        pytest.param({"is_direct": True}, "direct", id="two people"),
        pytest.param({}, "restricted", id="nothing said"),
        pytest.param({"is_direct": False}, "restricted", id="said not to be two people"),
        pytest.param({"creation_content": {"type": "m.space"}}, "restricted", id="a space"),
        pytest.param(
            {"initial_state": [rule_event(rule="unrestricted")]}, "unrestricted", id="chosen"
        ),
    ],
)
def test_a_room_has_one_rule_and_says_its_visibility(version, request_, rule):
    said = contents(made(version, **request_), RULE_EVENT)
    assert said == [{"rule": rule, "visibility": "private"}]


UNRESTRICTED = rule_event(rule="unrestricted")


REFUSED = {
    "no rule in it": ({"initial_state": [rule_event()]}, RoomReason.INVALID_RULE),
    "unknown": ({"initial_state": [rule_event(rule="open")]}, RoomReason.INVALID_RULE),
    "not even a word": ({"initial_state": [rule_event(rule=[1])]}, RoomReason.INVALID_RULE),
    "two people, open to all": (
        {"is_direct": True, "initial_state": [UNRESTRICTED]},
        RoomReason.DIRECT_MISMATCH,
    ),
    "two people only by the rule": (
        {"initial_state": [rule_event(rule="direct")]},
        RoomReason.DIRECT_MISMATCH,
    ),
    "two people, preset": ({"is_direct": True, "preset": "public_chat"}, RoomReason.DIRECT_PRIVATE),
    "two people, join rule": (
        {"is_direct": True, "initial_state": [initial("m.room.join_rules", join_rule="public")]},
        RoomReason.DIRECT_PRIVATE,
    ),
    "two people, listed": ({"is_direct": True, "visibility": "public"}, RoomReason.DIRECT_PRIVATE),
    "two people, knocking": (
        {"is_direct": True, "initial_state": [initial("m.room.join_rules", join_rule="knock")]},
        RoomReason.DIRECT_NO_KNOCK,
    ),
    "by a guest": ({"by": GIL}, RoomReason.GUEST_CREATES),
    "by a guest, two people": ({"by": GIL, "is_direct": True}, RoomReason.GUEST_CREATES),
    "called public, not listed": (
        {"initial_state": [rule_event(rule="restricted", visibility="public")]},
        RoomReason.VISIBILITY_MISMATCH,
    ),
    "listed, called private": (
        {
            "visibility": "public",
            "initial_state": [rule_event(rule="restricted", visibility="private")],
        },
        RoomReason.VISIBILITY_MISMATCH,
    ),
    "too low: invite": (
        {"power_level_content_override": {"invite": 49}},
        RoomReason.LEVELS_TOO_LOW,
    ),
    "too low: state_default": (
        {"initial_state": [initial("m.room.power_levels", state_default=50)]},
        RoomReason.LEVELS_TOO_LOW,
    ),
    "listed and open to guests": (
        {"visibility": "public", "initial_state": [UNRESTRICTED]},
        RoomReason.PUBLIC_STAYS_CLOSED,
    ),
    "power for all by default": (
        {
            "initial_state": [UNRESTRICTED],
            "power_level_content_override": {"users_default": 50},
        },
        RoomReason.USERS_DEFAULT,
    ),
    "listed and encrypted": (
        {"visibility": "public", "initial_state": [initial("m.room.encryption", algorithm="m")]},
        RoomReason.PUBLIC_UNENCRYPTED,
    ),
    "a guest as creator": (
        {"creation_content": {"additional_creators": [ALICE, GIL]}},
        RoomReason.GUEST_AS_CREATOR,
    ),
    "power for a guest": (
        {"power_level_content_override": {"users": {ANA: 100, GIL: 50}}},
        RoomReason.GUEST_POWER,
    ),
    "power for a guest, two people": (
        {"is_direct": True, "power_level_content_override": {"users": {ANA: 100, GIL: 100}}},
        RoomReason.GUEST_POWER,
    ),
    "two people: three people": (
        {
            "is_direct": True,
            "invite": [GIL, ALICE],
            "initial_state": [rule_event(rule="direct")],
        },
        RoomReason.DIRECT_FULL,
    ),
    "two people: one of them by mail": (
        {
            "is_direct": True,
            "invite": [GIL],
            "invite_3pid": [{"medium": "email"}],
            "initial_state": [rule_event(rule="direct")],
        },
        RoomReason.DIRECT_FULL,
    ),
    "a space of two people": (
        {"is_direct": True, "creation_content": {"type": "m.space"}},
        RoomReason.SPACE_DIRECT,
    ),
    "a guest invited into a closed room": ({"invite": [ALICE, GIL]}, RoomReason.CLOSED_TO_GUESTS),
    "a guest put in by state": (
        {"initial_state": [{"type": "m.room.member", "state_key": GIL, "content": {}}]},
        RoomReason.INVITE_APART,
    ),
}


@every_version
@pytest.mark.parametrize("name", REFUSED)
def test_a_creation_is_refused_with_its_reason(version, name):
    request, reason = REFUSED[name]
    assert judge_creation(creation(version, **request)) is reason


def test_what_can_be_asked_otherwise_is_a_bad_request():
    malformed = {
        RoomReason.INVALID_RULE,
        RoomReason.DIRECT_MISMATCH,
        RoomReason.VISIBILITY_MISMATCH,
    }
    assert malformed <= MALFORMED_CREATIONS
    assert RoomReason.GUEST_CREATES not in MALFORMED_CREATIONS


@every_version
def test_exempt_people_are_invited_into_closed_rooms(version):
    assert judge_creation(creation(version, invite=[OLGA])) is None


@every_version
@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ({"invite": [ALICE, OLGA]}, "restricted"),
        ({"invite": [ALICE, GIL]}, "unrestricted"),
        ({"invite": [ALICE], "invite_3pid": [{"medium": "email"}]}, "restricted"),
        ({"invite": [ALICE]}, "direct"),
        ({"invite": [GIL, GIL]}, "direct"),
        ({}, "direct"),
    ],
)
def test_a_chat_that_is_started_with_several_people_is_a_private_room(version, request_, rule):
    """Stock clients say `is_direct` of it, whoever is invited."""
    request = made(version, is_direct=True, preset="trusted_private_chat", **request_)
    assert contents(request, RULE_EVENT) == [{"rule": rule, "visibility": "private"}]
    assert contents(request, "m.room.encryption") == MEGOLM
    assert request["is_direct"] is True


def test_a_chat_with_somebody_invited_by_mail_who_would_be_a_guest_is_open_to_guests():
    asked = {"is_direct": True, "invite": [ALICE], "invite_3pid": [{"medium": "email"}]}
    request = complete_request(replace(creation(**asked), guests_by_mail=True))
    assert contents(request, RULE_EVENT)[0]["rule"] == "unrestricted"


@every_version
@pytest.mark.parametrize(
    ("request_", "visibility"),
    [
        ({"preset": "public_chat"}, "public"),
        ({"preset": "public_chat", "visibility": "private"}, "private"),
        ({"preset": "public_chat", "visibility": "public"}, "public"),
        ({"preset": "private_chat"}, "private"),
        ({}, "private"),
    ],
)
def test_the_preset_of_public_rooms_makes_one_of_the_directory(version, request_, visibility):
    request = made(version, **request_)
    assert request["visibility"] == visibility
    assert contents(request, RULE_EVENT) == [{"rule": "restricted", "visibility": visibility}]


@pytest.mark.parametrize("algorithm", ["", "m.none", "m.megolm", "M.MEGOLM.V1.AES-SHA2", 7, None])
def test_an_algorithm_that_does_not_encrypt_is_refused(algorithm):
    asked = creation(initial_state=[initial("m.room.encryption", algorithm=algorithm)])
    assert judge_creation(asked) is RoomReason.NOT_ENCRYPTING


@pytest.mark.parametrize("wanted", ["world_readable", "anybody", 7, None])
def test_the_history_of_a_private_room_is_for_its_members(wanted):
    state = [initial("m.room.history_visibility", history_visibility=wanted)]
    assert judge_creation(creation(initial_state=state)) is RoomReason.WORLD_READABLE
    public = judge_creation(creation(initial_state=state, visibility="public"))
    assert public is (None if wanted == "world_readable" else RoomReason.WORLD_READABLE)


@every_version
def test_a_space_by_link_that_a_client_wants_read_by_everybody_is_read_by_its_members(version):
    """Asked for a second time, without the directory, where a homeserver publishes nothing."""
    asked = {
        "preset": "public_chat",
        "creation_content": {"type": "m.space"},
        "power_level_content_override": {"events_default": 100, "invite": 0},
        "initial_state": [
            initial("m.room.guest_access", guest_access="can_join"),
            initial("m.room.history_visibility", history_visibility="world_readable"),
        ],
    }
    seen = {
        visibility: contents(
            made(version, visibility=visibility, **asked), "m.room.history_visibility"
        )
        for visibility in ("public", "private")
    }
    assert seen == {
        "public": [{"history_visibility": "world_readable"}],
        "private": [{"history_visibility": "shared"}],
    }
    closed = creation(version, **asked | {"preset": "private_chat"})
    assert judge_creation(closed) is RoomReason.WORLD_READABLE


@pytest.mark.parametrize("odd", [None, 7, "x", [], [7], {}, {"users": 7}, [{"type": []}]])
def test_requests_of_any_shape_are_judged_without_a_fault(odd):
    keys = ("initial_state", "invite", "invite_3pid", "creation_content", "preset", "room_version")
    for key in (*keys, "power_level_content_override", "is_direct", "visibility"):
        asked = creation(**{key: odd})
        reason = judge_creation(asked)
        assert reason is None or isinstance(reason, RoomReason)
        assert isinstance(complete_request(asked), dict)
