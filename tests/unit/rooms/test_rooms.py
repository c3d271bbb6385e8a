"""Who comes into a room, in room versions 10 to 12."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from domain_rules.rooms.membership import (
    MembershipChange,
    judge_membership,
    judge_third_party_event,
)
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import AccessRule, Member, has_creators_above, read_room
from tests.worlds.made_rooms import (
    ALICE,
    ANA,
    GIL,
    GINA,
    KEYS,
    NAMES,
    OLGA,
    OURS,
    PEOPLE,
    VERSIONS,
    joined,
    room,
)

every_version = pytest.mark.parametrize("version", VERSIONS)
every_rule = pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])


def comes(state, target, membership, *, sender=None, token=None):
    coming = MembershipChange(
        sender or (target if membership in {"join", "knock"} else ANA), target, membership, token
    )
    return judge_membership(state, coming, PEOPLE)


@every_version
@pytest.mark.parametrize("given", [None, "open-bar", 7, ["unrestricted"]])
def test_no_rule_or_an_unknown_one_is_the_strictest(version, given):
    state = replace(room(version, None), rule_event=None if given is None else {"rule": given})
    assert state.rule is AccessRule.RESTRICTED
    assert comes(state, GIL, "invite") is RoomReason.CLOSED_TO_GUESTS


@every_version
@every_rule
def test_a_join_over_an_exempt_persons_invitation_is_accepted(version, rule):
    seats = joined(ANA, ALICE) | {GIL: Member("invite", OLGA)}
    assert comes(room(version, rule, members=seats), GIL, "join") is None


@every_version
@every_rule
def test_an_exempt_person_is_invited_anywhere(version, rule):
    assert comes(room(version, rule, members=joined(ANA, ALICE)), OLGA, "invite") is None


@every_version
@pytest.mark.parametrize("membership", ["invite", "join", "knock"])
def test_no_guest_comes_into_a_closed_room(version, membership):
    assert comes(room(version), GIL, membership) is RoomReason.CLOSED_TO_GUESTS


@every_version
def test_an_agent_comes_into_a_closed_room(version):
    assert [comes(room(version), ALICE, how) for how in ("invite", "join", "knock")] == [None] * 3


@every_version
@pytest.mark.parametrize("membership", ["leave", "ban"])
def test_whoever_goes_or_is_sent_away_always_may(version, membership):
    state = room(version, members=joined(ANA, GIL))
    assert comes(state, GIL, membership) is None


@every_version
@pytest.mark.parametrize("rule", ["restricted", "unrestricted"])
def test_a_change_of_ones_profile_is_a_join_over_a_join(version, rule):
    assert comes(room(version, rule, members=joined(ANA, GIL)), GIL, "join") is None


@every_version
def test_an_invitation_that_came_past_the_rule_opens_no_closed_room(version):
    state = room(version, members=joined(ANA) | {GIL: Member("invite", ALICE)})
    assert comes(state, GIL, "join") is RoomReason.CLOSED_TO_GUESTS


@every_version
def test_a_third_party_invite_of_guichets_is_accepted_in_a_closed_room(version):
    state = room(version)
    assert judge_third_party_event(state, "t", OURS, names=NAMES, keys=KEYS) is None


@every_version
def test_a_guest_joins_an_open_room_when_invited(version):
    state = room(version, "unrestricted", join_rule="public")
    assert comes(state, GIL, "join") is RoomReason.INVITATION_NEEDED
    assert comes(state, GIL, "invite") is None
    assert (
        comes(replace(state, members=joined(ANA) | {GIL: Member("invite", ANA)}), GIL, "join")
        is None
    )
    assert comes(state, ALICE, "join") is None


@every_version
@pytest.mark.parametrize("gone", ["leave", "ban"])
def test_an_invitation_of_the_past_is_none(version, gone):
    state = room(version, "unrestricted", members=joined(ANA) | {GIL: Member(gone, GIL)})
    assert comes(state, GIL, "join") is RoomReason.INVITATION_NEEDED


def waiting(version, *tokens, **more):
    return room(version, "direct", third_party_invites=dict.fromkeys(tokens, OURS), **more)


def by_mail(state, token, content=OURS):
    return judge_third_party_event(state, token, content, names=NAMES, keys=KEYS)


@every_version
def test_a_second_invitation_by_mail_finds_no_seat_but_revoking_the_first_does(version):
    state = waiting(version, "first")
    assert by_mail(state, "second") is RoomReason.DIRECT_FULL
    assert by_mail(state, "first") is None
    assert by_mail(state, "first", {}) is None
    revoked = replace(state, third_party_invites={"first": {}})
    assert by_mail(revoked, "second") is None


@every_version
def test_two_people_are_everybody(version):
    state = room(version, "direct", members=joined(ANA, GIL))
    assert by_mail(state, "t") is RoomReason.DIRECT_FULL
    for membership in ("invite", "join", "ban"):
        assert comes(state, ALICE, membership) is RoomReason.DIRECT_FULL
    assert comes(state, GIL, "join") is None
    assert comes(state, GIL, "leave") is None
    assert comes(state, ANA, "leave") is None


@every_version
def test_an_open_invitation_by_mail_holds_the_second_seat(version):
    state = waiting(version, "first")
    assert comes(state, GIL, "invite") is RoomReason.DIRECT_FULL
    assert comes(state, GIL, "invite", token="other") is RoomReason.DIRECT_FULL
    assert comes(state, GIL, "invite", token="first") is None
    assert comes(state, ANA, "join") is None


@every_version
def test_m3_a_direct_room_is_open_to_one_guest(version):
    state = room(version, "direct")
    assert comes(state, GIL, "invite") is None
    full = replace(state, members=joined(ANA) | {GIL: Member("invite", ANA)})
    assert comes(full, GIL, "join") is None
    assert comes(full, GINA, "invite") is RoomReason.DIRECT_FULL


@every_version
@pytest.mark.parametrize("gone", ["leave", "ban"])
def test_a_seat_stays_with_who_left(version, gone):
    state = room(version, "direct", members=joined(ANA) | {GIL: Member(gone, GIL)})
    assert comes(state, ALICE, "invite") is RoomReason.DIRECT_FULL
    assert comes(state, GIL, "invite") is None


@every_version
def test_the_successor_of_the_same_address_takes_the_seat(version):
    state = room(version, "direct", members=joined(ANA) | {GIL: Member("leave", GIL)})
    coming = MembershipChange(ANA, ALICE, "invite")
    moved = frozenset({(GIL, ALICE)})
    assert judge_membership(state, coming, PEOPLE, successors=moved) is None
    still_there = replace(state, members=joined(ANA, GIL))
    full = judge_membership(still_there, coming, PEOPLE, successors=moved)
    assert full is RoomReason.DIRECT_FULL


@every_version
def test_agents_knock_but_not_at_a_conversation_of_two(version):
    assert comes(room(version, "unrestricted"), ALICE, "knock") is None
    assert comes(room(version, "direct"), ALICE, "knock") is RoomReason.DIRECT_NO_KNOCK
    assert comes(room(version, "unrestricted"), GIL, "knock") is RoomReason.GUEST_KNOCKS


@pytest.mark.parametrize(
    ("version", "above"),
    [("1", False), ("11", False), ("12", True), ("13", True), ("org.matrix.hydra.11", True)],
)
def test_creators_stand_above_every_number_from_version_12(version, above):
    assert has_creators_above(version) is above


def test_state_events_of_any_shape_are_read_without_a_fault():
    def event(content, sender=ANA):
        return SimpleNamespace(content=content, sender=sender, origin_server_ts=1)

    odd = [7, None, [], "x", {"users": [1]}, {"rule": {}}, {"third_party_invite": {"signed": 1}}]
    kinds = ["create", "power_levels", "member", "third_party_invite", "join_rules", "encryption"]
    for content in odd:
        events = {(f"m.room.{kind}", ""): event(content) for kind in kinds}
        events["im.vector.room.access_rules", ""] = event(content)
        state = read_room("12", events)
        assert state.rule is AccessRule.RESTRICTED
        assert comes(state, GIL, "invite") is RoomReason.CLOSED_TO_GUESTS
        assert not state.is_owner(GIL, PEOPLE)


@every_version
def test_who_is_exempt_is_no_guest_of_a_room(version):
    here = room(version, None, members=joined(ANA, GIL))
    assert here.has_guests(PEOPLE)
    assert not here.has_guests(replace(PEOPLE, exempt=frozenset({GIL})))
    assert replace(PEOPLE, exempt=frozenset({GIL})).guests([ANA, GIL, GINA]) == [GINA]


def test_a_membership_is_read_with_the_token_of_the_invitation_it_comes_from():
    signed = {"third_party_invite": {"signed": {"token": "abc"}}}
    assert MembershipChange.from_content(ANA, GIL, {"membership": "invite", **signed}) == (
        MembershipChange(ANA, GIL, "invite", "abc")
    )
    assert MembershipChange.from_content(ANA, GIL, {}) == MembershipChange(ANA, GIL, "")


def test_what_a_room_says_of_itself_is_read_from_its_events():
    def event(**content):
        return SimpleNamespace(content=content, sender=ANA, origin_server_ts=1)

    said = {
        "m.room.create": event(type="m.space", predecessor={"room_id": "!before:x"}),
        "m.room.join_rules": event(join_rule="invite"),
        "m.room.history_visibility": event(history_visibility="shared"),
        "m.room.guest_access": event(guest_access="can_join"),
    }
    state = read_room("11", {(kind, ""): each for kind, each in said.items()})
    assert (state.creator, state.room_type, state.predecessor) == (ANA, "m.space", "!before:x")
    assert (state.join_rule, state.history, state.guest_access) == ("invite", "shared", "can_join")
    assert read_room("11", {}).creator == ""
