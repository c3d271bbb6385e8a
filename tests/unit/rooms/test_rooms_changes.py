"""What becomes of a room, in room versions 10 to 12."""

from dataclasses import replace

import pytest

from domain_rules.rooms.changes import (
    judge_encryption,
    judge_join_rule,
    judge_rule,
    judge_upgrade,
    judge_visibility,
    settings_to_carry,
)
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import RULE_EVENT, Member
from tests.worlds.made_rooms import (
    ALICE,
    ANA,
    GIL,
    OLGA,
    OURS,
    PEOPLE,
    VERSIONS,
    joined,
    levels,
    room,
)

every_version = pytest.mark.parametrize("version", VERSIONS)


every_rule = pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])


PUBLIC = {"visibility": "public", "join_rule": "public"}


MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


def change(state, rule, *, by=ANA, **settings):
    return judge_rule(state, by, {"rule": rule, **settings}, PEOPLE)


@every_version
@pytest.mark.parametrize("rule", [None, "open", 7, ["direct"]])
def test_an_invalid_rule_is_refused(version, rule):
    assert change(room(version), rule) is RoomReason.INVALID_RULE


@every_version
@pytest.mark.parametrize("before", [None, "restricted", "unrestricted"])
def test_no_room_becomes_direct(version, before):
    assert change(room(version, before), "direct") is RoomReason.NEVER_DIRECT


@every_version
@pytest.mark.parametrize("after", ["restricted", "unrestricted"])
def test_a_direct_room_stays_direct(version, after):
    assert change(room(version, "direct"), after) is RoomReason.NEVER_DIRECT


@every_version
@every_rule
def test_the_same_rule_again_is_accepted(version, rule):
    assert change(room(version, rule), rule) is None


@every_version
@pytest.mark.parametrize("before", [None, "restricted"])
def test_an_owner_opens_a_closed_room(version, before):
    assert change(room(version, before), "unrestricted") is None


@every_version
@pytest.mark.parametrize("membership", ["join", "invite"])
def test_it_is_not_closed_over_a_guest(version, membership):
    inside = joined(ANA) | {GIL: Member(membership, ANA)}
    state = room(version, "unrestricted", members=inside)
    assert change(state, "restricted") is RoomReason.GUESTS_INSIDE


@every_version
def test_it_is_not_closed_over_a_waiting_invitation(version):
    state = room(version, "unrestricted", third_party_invites={"t": OURS})
    assert change(state, "restricted") is RoomReason.INVITATIONS_OPEN


@every_version
def test_it_is_closed_when_the_guests_are_gone(version):
    gone = joined(ANA, ALICE) | {GIL: Member("leave", GIL)}
    state = room(version, "unrestricted", members=gone, third_party_invites={"t": {}})
    assert change(state, "restricted") is None


@every_version
def test_only_owners_change_the_rule(version):
    state = room(version, power_levels=levels(version, users={ALICE: 50}))
    assert change(state, "unrestricted", by=ALICE) is RoomReason.NOT_OWNER
    events = {RULE_EVENT: 0}
    lowered = replace(state, power_levels=levels(version, users={ALICE: 50}, events=events))
    assert change(lowered, "unrestricted", by=ALICE) is RoomReason.NOT_OWNER
    promoted = replace(state, power_levels=levels(version, users={ALICE: 100}))
    assert change(promoted, "unrestricted", by=ALICE) is None


@every_version
def test_a_guest_is_no_owner_whatever_their_power(version):
    state = room(version, power_levels=levels(version, users={GIL: 100}))
    assert change(state, "unrestricted", by=GIL) is RoomReason.NOT_OWNER


def test_a_creator_of_version_12_is_an_owner_though_in_no_list():
    state = room("12", additional_creators=frozenset({ALICE}))
    assert change(state, "unrestricted", by=ALICE) is None
    assert change(replace(state, version="11"), "unrestricted", by=ALICE) is RoomReason.NOT_OWNER


@every_version
def test_a_public_room_is_not_opened(version):
    said = room(version, **PUBLIC)
    assert change(said, "unrestricted", visibility="public") is RoomReason.PUBLIC_STAYS_CLOSED
    listed = room(version, listed=True)
    assert change(listed, "unrestricted") is RoomReason.PUBLIC_STAYS_CLOSED


@every_version
def test_a_private_room_by_link_is_opened(version):
    assert change(room(version, join_rule="public"), "unrestricted") is None


@every_version
@pytest.mark.parametrize("before", [None, "restricted"])
def test_private_never_becomes_public(version, before):
    state = room(version, before)
    assert change(state, "restricted", visibility="public") is RoomReason.NEVER_PUBLIC
    for odd in ("secret", [], None):
        assert change(state, "restricted", visibility=odd) is RoomReason.SETTINGS_FINAL


@every_version
def test_whether_a_room_is_readable_is_fixed_at_creation(version):
    forced = {"force_unencrypted_at_creation": True}
    assert change(room(version), "restricted", **forced) is RoomReason.SETTINGS_FINAL
    assert change(room(version, None), "restricted", **forced) is RoomReason.SETTINGS_FINAL
    assert change(room(version, **forced), "restricted") is RoomReason.SETTINGS_FINAL
    assert change(room(version, **forced), "unrestricted", **forced) is None


@every_version
def test_public_is_not_lost_by_forgetting_it(version):
    assert change(room(version, **PUBLIC), "restricted") is RoomReason.SETTINGS_FINAL
    assert change(room(version, **PUBLIC), "restricted", visibility="public") is None


@every_version
def test_public_becomes_private_step_by_step(version):
    state = room(version, listed=True, **PUBLIC)
    leave = {"join_rule": "invite"}

    def steps(state):
        return (
            judge_encryption(state, ANA, MEGOLM, PEOPLE),
            judge_join_rule(state, ANA, leave, PEOPLE),
            change(state, "restricted", visibility="private"),
        )

    assert steps(state) == (RoomReason.UNPUBLISH_FIRST,) * 3
    unpublished = replace(state, listed=False)
    assert steps(unpublished) == (None, RoomReason.ENCRYPT_FIRST, RoomReason.ENCRYPT_FIRST)
    encrypted = replace(unpublished, encrypted=True)
    seen_by_all = replace(encrypted, history="world_readable")
    assert steps(seen_by_all) == (None, None, RoomReason.WORLD_READABLE)
    assert steps(encrypted) == (None, None, RoomReason.JOIN_RULE_FIRST)
    assert judge_visibility(encrypted, "public") is RoomReason.PUBLIC_UNENCRYPTED
    assert steps(replace(encrypted, join_rule="invite")) == (None, None, None)


@every_version
def test_only_owners_take_the_steps(version):
    state = room(version, **PUBLIC)
    assert judge_encryption(state, ALICE, MEGOLM, PEOPLE) is RoomReason.NOT_OWNER
    leave = {"join_rule": "invite"}
    assert judge_join_rule(state, ALICE, leave, PEOPLE) is RoomReason.NOT_OWNER
    closing = change(state, "restricted", by=ALICE, visibility="private")
    assert closing is RoomReason.NOT_OWNER


@every_version
@pytest.mark.parametrize("rule", ["restricted", "unrestricted"])
def test_the_rule_and_its_settings_are_carried_over(version, rule):
    settings = {"visibility": "private", "force_unencrypted_at_creation": True}
    old, new = room(version, rule, **settings), room(version, None)
    assert settings_to_carry(old, new) == {RULE_EVENT: {"rule": rule, **settings}}
    assert settings_to_carry(new, new) == {RULE_EVENT: {"rule": "restricted"}}
    assert settings_to_carry(old, room(version, rule)) == {}


@every_version
def test_what_a_redaction_left_or_was_open_before_is_not_carried_over(version):
    old, new = room(version, "unrestricted", encrypted=True), room(version, "unrestricted")
    open_to_all = replace(new, history="world_readable", guest_access="can_join")
    assert settings_to_carry(old, open_to_all) == {
        "m.room.encryption": MEGOLM,
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    }
    for public in (replace(new, listed=True), room(version, **PUBLIC)):
        assert "m.room.history_visibility" not in settings_to_carry(public, open_to_all)


@every_version
def test_a_direct_room_is_not_upgraded_and_others_by_owners(version):
    assert judge_upgrade(room(version, "direct"), ANA, PEOPLE) is RoomReason.DIRECT_NO_UPGRADE
    assert judge_upgrade(room(version), ALICE, PEOPLE) is RoomReason.OWNER_UPGRADES
    assert judge_upgrade(room(version), ANA, PEOPLE) is None
    assert judge_upgrade(room(version), OLGA, PEOPLE) is None


@every_version
def test_no_guest_takes_power_along_into_the_new_room(version):
    state = room(version, "unrestricted", power_levels=levels(version, users={ANA: 100, GIL: 50}))
    assert judge_upgrade(state, ANA, PEOPLE) is RoomReason.GUEST_POWER


@pytest.mark.parametrize("reason", list(RoomReason))
def test_every_reason_has_its_text_in_french_and_english(reason):
    said = reason.texts
    assert said["fr"] != said["en"]
    assert all(text.endswith(".") and "!" not in text for text in said.values())
    assert RULE_EVENT not in said["fr"]
