"""Settings of rooms, later: encryption, history, doors, names, the directory, in room versions 10 to 12."""

import pytest

from domain_rules.rooms.changes import (
    judge_encryption,
    judge_guest_access,
    judge_history,
    judge_join_rule,
    judge_naming,
    judge_rule,
    judge_visibility,
)
from domain_rules.rooms.reasons import RoomReason
from tests.worlds.made_rooms import ANA, PEOPLE, VERSIONS, room

every_version = pytest.mark.parametrize("version", VERSIONS)


every_rule = pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])


PUBLIC = {"visibility": "public", "join_rule": "public"}


MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


def change(state, rule, *, by=ANA, **settings):
    return judge_rule(state, by, {"rule": rule, **settings}, PEOPLE)


@every_version
@every_rule
@pytest.mark.parametrize("algorithm", ["", "m.none", None, 7])
def test_encryption_is_never_replaced_by_none(version, rule, algorithm):
    state = room(version, rule, encrypted=True)
    for content in ({"algorithm": algorithm}, {}):
        assert judge_encryption(state, ANA, content, PEOPLE) is RoomReason.NOT_ENCRYPTING
    assert judge_encryption(state, ANA, MEGOLM, PEOPLE) is None


def test_history_is_for_members_where_the_room_is_not_public():
    for wanted in ("shared", "invited", "joined"):
        for is_public in (True, False):
            content = {"history_visibility": wanted}
            assert judge_history(content, is_public=is_public) is None
    for content in ({"history_visibility": "world_readable"}, {}, {"history_visibility": [1]}):
        assert judge_history(content, is_public=False) is RoomReason.WORLD_READABLE
    assert judge_history({"history_visibility": "world_readable"}, is_public=True) is None


def test_nobody_without_an_account_is_let_in_later():
    assert judge_guest_access({"guest_access": "forbidden"}) is None
    assert judge_guest_access({}) is None
    for wanted in ("can_join", "", None, 7):
        assert judge_guest_access({"guest_access": wanted}) is RoomReason.ANONYMOUS


@every_version
def test_a_room_by_link_but_never_for_two(version):
    by_link = {"join_rule": "public"}
    for rule in ("restricted", "unrestricted"):
        assert judge_join_rule(room(version, rule), ANA, by_link, PEOPLE) is None
    state = room(version, "direct")
    assert judge_join_rule(state, ANA, by_link, PEOPLE) is RoomReason.DIRECT_PRIVATE
    assert judge_join_rule(state, ANA, {"join_rule": "knock"}, PEOPLE) is RoomReason.DIRECT_NO_KNOCK
    assert judge_join_rule(state, ANA, {"join_rule": "invite"}, PEOPLE) is None


@every_version
def test_a_private_room_stops_being_by_link_at_once(version):
    state = room(version, join_rule="public")
    assert judge_join_rule(state, ANA, {"join_rule": "invite"}, PEOPLE) is None


@every_version
def test_a_direct_room_has_no_name(version):
    assert judge_naming(room(version, "direct")) is RoomReason.DIRECT_NAMELESS
    assert judge_naming(room(version)) is None


@every_version
def test_public_rooms_are_not_encrypted_private_ones_may_be(version):
    listed = room(version, listed=True, **PUBLIC)
    assert judge_encryption(listed, ANA, MEGOLM, PEOPLE) is RoomReason.UNPUBLISH_FIRST
    assert judge_encryption(room(version, join_rule="public"), ANA, MEGOLM, PEOPLE) is None
    forced = room(version, force_unencrypted_at_creation=True)
    assert judge_encryption(forced, ANA, MEGOLM, PEOPLE) is RoomReason.NEVER_ENCRYPTED


@every_version
@pytest.mark.parametrize(
    ("rule", "settings", "reason"),
    [
        ("restricted", {"visibility": "public"}, None),
        ("restricted", {"join_rule": "public"}, None),  # of Tchap's
        (None, {}, None),
        ("restricted", {}, RoomReason.NEVER_PUBLIC),
        ("restricted", {"join_rule": "public", "encrypted": True}, RoomReason.NEVER_PUBLIC),
        ("restricted", {"join_rule": "public", "room_type": "m.space"}, RoomReason.NEVER_PUBLIC),
        (
            "restricted",
            {"join_rule": "public", "force_unencrypted_at_creation": True},
            RoomReason.NEVER_PUBLIC,
        ),
        ("restricted", {"visibility": "private"}, RoomReason.NEVER_PUBLIC),
        ("unrestricted", {}, RoomReason.PUBLIC_STAYS_CLOSED),
        ("direct", {}, RoomReason.DIRECT_PRIVATE),
    ],
)
def test_only_closed_rooms_are_published_and_all_unpublished(version, rule, settings, reason):
    state = room(version, rule, **settings)
    assert judge_visibility(state, "public") is reason
    assert judge_visibility(state, "private") is None


def test_a_space_needs_no_encryption_to_become_private():
    state = room("12", visibility="public", join_rule="invite", room_type="m.space")
    assert change(state, "restricted", visibility="private") is None
