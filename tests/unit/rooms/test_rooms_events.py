"""State events meet their rule: in a room that lives, and in its first moment, in room versions 10 to 12."""

from dataclasses import replace
from itertools import product

import pytest

from domain_rules.rooms.events import GuichetIdentity, RoomEvent, judge_event
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import RULE_EVENT, Member
from tests.worlds.made_rooms import (
    ALICE,
    ANA,
    GIL,
    KEYS,
    NAMES,
    OLGA,
    OURS,
    PEOPLE,
    VERSIONS,
    joined,
    levels,
    room,
)

every_version = pytest.mark.parametrize("version", VERSIONS)
DIRECT = {
    "m.room.name": ({"name": "Us"}, RoomReason.DIRECT_NAMELESS),
    "m.room.avatar": ({"url": "mxc://a/b"}, RoomReason.DIRECT_NAMELESS),
    "m.room.topic": ({"topic": "Us"}, RoomReason.DIRECT_NAMELESS),
    "m.room.join_rules": ({"join_rule": "public"}, RoomReason.DIRECT_PRIVATE),
    "m.room.tombstone": ({"replacement_room": "!new"}, RoomReason.DIRECT_NO_UPGRADE),
    "m.room.power_levels": ({"users": {GIL: 100}}, RoomReason.GUEST_POWER),
    "m.room.third_party_invite": ({"public_key": "x"}, RoomReason.NOT_FROM_GUICHET),
    "m.room.create": ({"additional_creators": [GIL]}, RoomReason.GUEST_AS_CREATOR),
    RULE_EVENT: ({"rule": "unrestricted"}, RoomReason.NEVER_DIRECT),
}


def send(state, kind, content, *, by=ANA, key=""):
    guichet = GuichetIdentity(names=NAMES, keys=KEYS)
    return judge_event(state, RoomEvent(kind, by, key, content), PEOPLE, guichet)


@every_version
@pytest.mark.parametrize("kind", DIRECT)
def test_what_a_direct_room_refuses(version, kind):
    content, reason = DIRECT[kind]
    assert send(room(version, "direct"), kind, content) is reason


@every_version
@pytest.mark.parametrize("kind", DIRECT)
def test_every_state_event_of_an_exempt_person_is_accepted(version, kind):
    state = room(version, "direct", members=joined(ANA, GIL))
    assert send(state, kind, DIRECT[kind][0], by=OLGA) is None


@every_version
def test_a_third_person_is_refused_and_a_profile_changed(version):
    state = room(version, "direct", members=joined(ANA, GIL))
    invited = {"membership": "invite"}
    assert send(state, "m.room.member", invited, key=ALICE) is RoomReason.DIRECT_FULL
    renamed = {"membership": "join", "displayname": "Gil"}
    assert send(state, "m.room.member", renamed, by=GIL, key=GIL) is None


@every_version
def test_encryption_is_judged(version):
    state = room(version, force_unencrypted_at_creation=True)
    assert send(state, "m.room.encryption", {}) is RoomReason.NEVER_ENCRYPTED


@every_version
def test_what_has_no_rule_is_not_judged(version):
    state = room(version, "direct", members=joined(ANA, GIL))
    assert send(state, "m.room.pinned_events", {"pinned": []}, by=GIL) is None
    assert send(state, RULE_EVENT, {"rule": "restricted"}, key="another") is None


def being_made(version):
    """The window of createRoom: its rule is in the request, and not in the state yet."""
    return replace(room(version, None), power_levels=None, members={})


@every_version
@pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])
def test_a_room_being_made_gets_the_rule_of_its_request(version, rule):
    state = being_made(version)
    assert send(state, "m.room.member", {"membership": "join"}, key=ANA) is None
    state = replace(state, members=joined(ANA))
    assert send(state, "m.room.power_levels", levels(version)) is None
    assert send(state, "m.room.join_rules", {"join_rule": "invite"}) is None
    assert send(state, RULE_EVENT, {"rule": rule, "visibility": "public"}) is None
    assert send(state, "m.room.encryption", {"algorithm": "m"}) is None
    assert send(state, "m.room.name", {"name": "Trees"}) is None


@every_version
def test_nobody_slips_through_that_window(version):
    state = replace(being_made(version), members=joined(ANA))
    promoted = levels(version, users={GIL: 100})
    assert send(state, "m.room.power_levels", promoted) is RoomReason.GUEST_POWER
    assert send(state, "m.room.member", {"membership": "invite"}, key=GIL) is (
        RoomReason.CLOSED_TO_GUESTS
    )
    forged = {**OURS, "public_keys": []} | {"public_key": "x"}
    assert send(state, "m.room.third_party_invite", forged) is RoomReason.NOT_FROM_GUICHET
    assert send(state, RULE_EVENT, {"rule": "unrestricted"}, by=ALICE) is RoomReason.NOT_OWNER
    later = replace(state, members=state.members | {ALICE: Member("join", ALICE)})
    assert send(later, RULE_EVENT, {"rule": "direct"}) is RoomReason.NEVER_DIRECT


@every_version
def test_a_guest_makes_no_room(version):
    state = replace(being_made(version), creator="")
    assert send(state, "m.room.create", {}, by=GIL) is RoomReason.GUEST_CREATES
    assert send(state, "m.room.create", {"additional_creators": [ALICE]}) is None


WISHES = (
    *(
        (RULE_EVENT, {"rule": rule} | settings)
        for rule in ("restricted", "unrestricted", "direct")
        for settings in ({}, {"visibility": "public"}, {"visibility": "private"})
    ),
    *(("m.room.join_rules", {"join_rule": wanted}) for wanted in ("invite", "public", "knock")),
    ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ("m.room.power_levels", {"users": {GIL: 100}}),
    ("m.room.name", {"name": "Us"}),
)


@every_version
@pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])
def test_being_listed_never_allows_anything(version, rule):
    """So the room directory is asked only where it could refuse."""
    told = set()
    states = product(("private", "public"), ("invite", "public"), (True, False), (ANA, ALICE, GIL))
    for visibility, join_rule, encrypted, by in states:
        facts = {"visibility": visibility, "join_rule": join_rule, "encrypted": encrypted}
        state = room(version, rule, members=joined(ANA, ALICE, GIL), **facts)
        for kind, content in WISHES:
            outside, inside = (
                send(replace(state, listed=listed), kind, content, by=by)
                for listed in (False, True)
            )
            assert inside is not None or outside is None
            told.add(inside is not outside)
    assert told == {True, False}
