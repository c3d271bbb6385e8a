"""Invitations by mail and over federation, in room versions 10 to 12."""

from copy import deepcopy

import pytest

from domain_rules.addresses import EmailAddress
from domain_rules.rooms.membership import (
    MembershipChange,
    comes_from_guichet,
    judge_inbound,
    judge_invitation_by_mail,
    judge_third_party_event,
)
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import Member
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from tests.worlds.made_rooms import ALICE, ANA, GIL, KEYS, NAMES, OURS, VERSIONS, joined, room

RULES = RuleSet.compile(
    [
        Rule(
            RuleKind.DOMAIN,
            "gov.example",
            AccountClass.AGENT,
            "agents.example",
            requires_invite=False,
        ),
        Rule(
            RuleKind.DOMAIN,
            "asso.example",
            AccountClass.GUEST,
            "guests.example",
            requires_invite=True,
        ),
    ]
)
every_version = pytest.mark.parametrize("version", VERSIONS)
every_rule = pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])


def decide(text):
    return RULES.decide(EmailAddress.parse(text))


def by_mail(state, token, content=OURS):
    return judge_third_party_event(state, token, content, names=NAMES, keys=KEYS)


@every_version
@every_rule
def test_invitations_are_by_mail(version, rule):
    assert (
        judge_invitation_by_mail(room(version, rule), "msisdn", "33600000000", decide)
        is RoomReason.ONLY_BY_MAIL
    )


@every_version
@pytest.mark.parametrize("rule", ["unrestricted", "direct"])
def test_rooms_open_to_guests_ask_nobody_about_an_address(version, rule):
    def nobody(_address):
        raise AssertionError("asked")

    assert judge_invitation_by_mail(room(version, rule), "email", "x@asso.example", nobody) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("ana@gov.example", None, id="an agent's"),
        pytest.param("x@asso.example", RoomReason.CLOSED_TO_GUESTS, id="a guest's"),
        pytest.param("x@other.example", RoomReason.ADDRESS_BELONGS_NOWHERE, id="nobody's"),
        pytest.param("Ana <x@asso.example>", RoomReason.ADDRESS_UNCLEAR, id="with a name"),
        pytest.param("x@asso.example@gov.example", RoomReason.ADDRESS_UNCLEAR, id="two ats"),
        pytest.param('"a b"@gov.example', RoomReason.ADDRESS_UNCLEAR, id="quoted"),
    ],
)
@every_version
def test_a_closed_room_takes_plain_addresses_of_agents(version, address, reason):
    assert judge_invitation_by_mail(room(version), "email", address, decide) is reason


@every_version
def test_a_full_conversation_of_two_sends_no_mail(version):
    state = room(version, "direct", members=joined(ANA, ALICE))
    reason = judge_invitation_by_mail(state, "email", "x@asso.example", decide)
    assert reason is RoomReason.DIRECT_FULL


def test_one_key_and_every_place_are_guichets():
    assert comes_from_guichet(OURS, names=NAMES, keys=KEYS)
    assert not comes_from_guichet(OURS, names=frozenset({"id.example"}), keys=KEYS)
    assert not comes_from_guichet(OURS, names=NAMES, keys=frozenset({"another"}))
    assert not comes_from_guichet(OURS, names=NAMES, keys=frozenset())


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/x",
        "https://id.example:8090@evil.example/x",
        "https://id.example:8091/x",
        "ftp://id.example:8090/x",
        "//id.example:8090/x",
        "https://[id.example:8090/x",
        7,
        None,
    ],
)
def test_one_foreign_place_spoils_it(place):
    forged = deepcopy(OURS)
    forged["public_keys"][1]["key_validity_url"] = place
    assert not comes_from_guichet(forged, names=NAMES, keys=KEYS)


@pytest.mark.parametrize(
    "content", [{"display_name": "x"}, {"public_keys": "x"}, {"public_key": 1}]
)
def test_without_a_key_it_is_nobodys(content):
    assert not comes_from_guichet(content, names=NAMES, keys=KEYS)


def test_the_usual_port_need_not_be_said():
    plain = {"public_key": "k", "key_validity_url": "https://ID.example/isvalid"}
    assert comes_from_guichet(plain, names={"id.example:443"}, keys={"k"})
    assert comes_from_guichet(plain, names={"id.example"}, keys={"k"})


@every_version
@every_rule
def test_a_foreign_third_party_invite_is_refused_and_an_empty_one_never(version, rule):
    state = room(version, rule, members=joined(ANA, ALICE))
    assert by_mail(state, "t", {"public_key": "x"}) is RoomReason.NOT_FROM_GUICHET
    assert by_mail(state, "t", {}) is None


def test_an_invitation_that_became_a_member_waits_no_more():
    seats = joined(ANA) | {GIL: Member("invite", ANA, "first")}
    state = room("12", "direct", third_party_invites={"first": OURS}, members=seats)
    assert state.live_invitations() == frozenset()


@every_version
@pytest.mark.parametrize(
    ("rule", "sent_at", "reason"),
    [
        ("restricted", 20, RoomReason.CLOSED_TO_GUESTS),
        ("restricted", 5, None),
        ("unrestricted", 20, None),
        ("direct", 20, RoomReason.DIRECT_FULL),
        (None, 20, None),
    ],
)
def test_federation_judges_new_events_of_guests_servers(version, rule, sent_at, reason):
    state = room(version, rule, members=joined(ANA, ALICE), rule_sent_at=10)
    for membership in ("invite", "join"):
        coming = MembershipChange(ANA, GIL, membership)
        assert judge_inbound(state, coming, sent_at) is reason
    assert judge_inbound(state, MembershipChange(GIL, GIL, "leave"), sent_at) is None


def test_federation_leaves_members_their_profile():
    state = room("12", members=joined(ANA, GIL))
    assert judge_inbound(state, MembershipChange(GIL, GIL, "join"), 1) is None
