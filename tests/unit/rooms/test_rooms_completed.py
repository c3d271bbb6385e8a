"""What a request for a room is completed with: encryption, levels, history, doors, in room versions 10 to 12."""

import pytest

from domain_rules.rooms.creation import complete_request
from domain_rules.rooms.room import RULE_EVENT
from tests.worlds.made_rooms import (
    ALICE,
    ANA,
    GIL,
    GINA,
    MEGOLM,
    contents,
    creation,
    every_version,
    initial,
    levels_of,
    made,
    rule_event,
)


@every_version
@pytest.mark.parametrize(
    ("request_", "encrypted"),
    [
        pytest.param({}, True, id="no preset"),
        pytest.param({"preset": "private_chat"}, True, id="private_chat"),
        pytest.param({"is_direct": True, "preset": "trusted_private_chat"}, True, id="two people"),
        pytest.param({"visibility": "public", "preset": "public_chat"}, False, id="public"),
        pytest.param({"preset": "public_chat"}, False, id="public, as Tchap's clients say it"),
        pytest.param(
            {"preset": "public_chat", "visibility": "private"}, True, id="by link, but private"
        ),
        pytest.param({"creation_content": {"type": "m.space"}}, False, id="a space"),
        pytest.param(
            {
                "preset": "private_chat",
                "initial_state": [
                    rule_event(rule="restricted", force_unencrypted_at_creation=True)
                ],
            },
            False,
            id="asked to stay readable",
        ),
        pytest.param(
            {
                "preset": "trusted_private_chat",
                "initial_state": [
                    rule_event(rule="restricted", force_unencrypted_at_creation=True)
                ],
            },
            True,
            id="asked with another preset",
        ),
        pytest.param({"initial_state": [initial("m.room.encryption")]}, True, id="an empty one"),
    ],
)
def test_private_rooms_are_encrypted(version, request_, encrypted):
    request = made(version, **request_)
    assert contents(request, "m.room.encryption") == (MEGOLM if encrypted else [])


@every_version
def test_the_encryption_that_was_asked_for_stays(version):
    asked = {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_ms": 1}
    request = made(version, initial_state=[initial("m.room.encryption", **asked)])
    assert contents(request, "m.room.encryption") == [asked]


@every_version
def test_the_levels_of_a_new_room(version):
    levels = levels_of(made(version))
    assert levels["users"] == ({} if version == "12" else {ANA: 100})
    assert (levels["users_default"], levels["events_default"]) == (0, 0)
    assert (levels["state_default"], levels["invite"]) == (100, 50)
    assert {levels["ban"], levels["kick"], levels["redact"]} == {50}
    assert levels["events"]["m.room.tombstone"] == 100
    assert levels["events"][RULE_EVENT] == 100
    assert levels["events"]["m.room.name"] == 50


@every_version
def test_anybody_invites_into_a_public_room(version):
    public = {"preset": "public_chat", "visibility": "public"}
    assert levels_of(made(version, **public))["invite"] == 0


@every_version
def test_what_an_override_leaves_out_is_filled_in_also_inside(version):
    asked = {"invite": 60, "events": {"m.room.name": 0}}
    levels = levels_of(made(version, power_level_content_override=asked))
    assert (levels["invite"], levels["state_default"]) == (60, 100)
    assert levels["events"]["m.room.name"] == 0
    assert levels["events"]["m.room.encryption"] == 100
    assert ANA in levels["users"] or version == "12"


@every_version
def test_levels_in_the_initial_state_are_filled_there(version):
    asked = initial("m.room.power_levels", users={ANA: 100, ALICE: 50})
    request = made(version, initial_state=[asked])
    [levels] = contents(request, "m.room.power_levels")
    assert levels["state_default"] == 100
    assert levels["users"] == ({ALICE: 50} if version == "12" else {ANA: 100, ALICE: 50})
    assert "power_level_content_override" not in request


@every_version
def test_trusted_agents_have_the_creators_power(version):
    request = made(version, preset="trusted_private_chat", is_direct=True, invite=[ALICE])
    assert request["preset"] == "trusted_private_chat"
    expected = {} if version == "12" else {ANA: 100, ALICE: 100}
    assert levels_of(request)["users"] == expected


@every_version
def test_a_guest_is_invited_without_power_into_an_encrypted_room(version):
    request = made(version, preset="trusted_private_chat", is_direct=True, invite=[GIL])
    assert request["preset"] == "private_chat"
    assert request["invite"] == [GIL]
    assert GIL not in levels_of(request)["users"]
    assert contents(request, "m.room.encryption") == MEGOLM


@every_version
def test_one_guest_among_agents_and_nobody_is_trusted(version):
    request = made(
        version,
        preset="trusted_private_chat",
        invite=[ALICE, GINA],
        initial_state=[rule_event(rule="unrestricted")],
    )
    assert request["preset"] == "private_chat"
    assert levels_of(request)["users"] == ({} if version == "12" else {ANA: 100})


@every_version
@pytest.mark.parametrize(("visibility", "seen"), [("private", "invited"), ("public", "shared")])
def test_who_sees_the_past(version, visibility, seen):
    request = made(version, visibility=visibility)
    assert contents(request, "m.room.history_visibility") == [{"history_visibility": seen}]


def test_what_was_asked_for_stays():
    asked = initial("m.room.history_visibility", history_visibility="joined")
    request = made("12", initial_state=[asked])
    assert contents(request, "m.room.history_visibility") == [{"history_visibility": "joined"}]


def test_beside_another_module_its_rule_is_kept_and_there_is_one_of_each():
    asked = rule_event(rule="restricted", visibility="private", force_unencrypted_at_creation=False)
    request = made("12", initial_state=[asked, initial("m.room.encryption", **MEGOLM[0]), asked])
    assert contents(request, RULE_EVENT) == [asked["content"]]
    assert contents(request, "m.room.encryption") == MEGOLM
    again = complete_request(creation(**request))
    assert sorted(again["initial_state"], key=str) == sorted(request["initial_state"], key=str)


@pytest.mark.parametrize("key", [None, 0, False, "another"])
def test_an_event_with_another_state_key_sets_nothing(key):
    """Synapse takes null for no state at all: the room would not be encrypted."""
    settings = {
        "m.room.encryption": MEGOLM[0],
        RULE_EVENT: {"rule": "unrestricted"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    }
    odd = [{"type": kind, "state_key": key, "content": what} for kind, what in settings.items()]
    made_of = made("12", initial_state=odd)["initial_state"]
    ours = {each["type"]: each["content"] for each in made_of if each["state_key"] == ""}
    assert ours[RULE_EVENT]["rule"] == "restricted"
    assert set(settings) <= set(ours)


@every_version
@pytest.mark.parametrize("preset", ["public_chat", "private_chat", "trusted_private_chat", None])
def test_nobody_without_an_account_enters(version, preset):
    """Clients ask for it in every room they make: it is closed, and nobody refused."""
    asked = [initial("m.room.guest_access", guest_access=each) for each in ("can_join", 7)]
    for initial_state in ([], asked):
        request = made(version, preset=preset, initial_state=initial_state)
        assert contents(request, "m.room.guest_access") == [{"guest_access": "forbidden"}]


def test_the_request_itself_is_left_alone():
    asked = {"initial_state": [rule_event(rule="restricted")], "name": "Trees"}
    request = made("12", **asked)
    assert request["name"] == "Trees"
    assert asked == {"initial_state": [rule_event(rule="restricted")], "name": "Trees"}
