"""Guests answer; they do not start."""

import pytest
from hypothesis import given, strategies as st

from domain_rules.rooms import guest_permissions as conversations
from domain_rules.rooms.guest_permissions import UserAction, action_of_event
from domain_rules.rooms.room import additional_creators_of, as_texts

TYPES = st.sampled_from(
    ["m.room.member", "m.room.create", "m.room.message", "m.room.tombstone", "m.room.topic"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def member(membership, *, is_own=True, before=None):
    content = {"membership": membership}
    return action_of_event("m.room.member", content, is_own=is_own, membership_before=before)


@pytest.mark.parametrize(
    ("membership", "before", "action"),
    [
        ("join", "invite", None),
        ("join", "join", None),
        ("join", None, UserAction.JOIN_UNINVITED),
        ("join", "leave", UserAction.JOIN_UNINVITED),
        ("join", "knock", UserAction.JOIN_UNINVITED),
        ("join", "ban", UserAction.JOIN_UNINVITED),
        ("leave", "join", None),
        ("leave", "invite", None),
        ("knock", None, UserAction.KNOCK),
        ("ban", "join", None),
    ],
)
def test_an_invitation_or_being_there_already_lets_in(membership, before, action):
    assert member(membership, before=before) is action


def test_to_invite_is_a_deed_of_who_invites():
    assert member("invite", is_own=False) is UserAction.INVITE


@pytest.mark.parametrize(
    ("event_type", "action"),
    [
        ("m.room.create", UserAction.CREATE_ROOM),
        ("m.room.tombstone", UserAction.UPGRADE_ROOM),
        ("m.room.third_party_invite", UserAction.INVITE_BY_MAIL),
        ("m.room.canonical_alias", UserAction.MAKE_ALIAS),
        ("m.room.message", None),
        ("m.reaction", None),
    ],
)
def test_events_that_start_something_are_told_from_those_that_answer(event_type, action):
    asked = {"is_own": False, "membership_before": None}
    assert action_of_event(event_type, {"body": "x"}, **asked) is action


def test_taking_back_what_was_given_is_no_start():
    asked = {"is_own": False, "membership_before": None}
    assert action_of_event("m.room.third_party_invite", {}, **asked) is None


def test_a_room_with_a_predecessor_is_an_upgrade():
    assert (
        conversations.action_of_creation({"predecessor": {"room_id": "!a"}})
        is UserAction.UPGRADE_ROOM
    )
    assert conversations.action_of_creation({"type": "m.space"}) is UserAction.CREATE_ROOM
    assert conversations.action_of_creation(None) is UserAction.CREATE_ROOM


def test_only_user_ids_count_among_those_who_are_named():
    assert additional_creators_of({"additional_creators": ["@gil:x", 3, None]}) == ["@gil:x"]
    assert additional_creators_of({"additional_creators": "@gil:x"}) == []
    assert additional_creators_of(None) == []
    assert as_texts(["@gil:x", {}]) == ["@gil:x"]


@pytest.mark.slow
@given(event_type=TYPES, content=st.dictionaries(st.text(), ANYTHING), before=st.none() | st.text())
def test_whatever_a_client_sends_is_judged_without_a_fault(event_type, content, before):
    for is_own in (True, False):
        action = action_of_event(event_type, content, is_own=is_own, membership_before=before)
        assert action is None or isinstance(action, UserAction)
    named = [
        *additional_creators_of(content),
        *as_texts(content.get("invite")),
    ]
    assert all(isinstance(each, str) for each in named)


@pytest.mark.parametrize("membership", ["invite", "join"])
def test_membership_is_read_from_the_content_alone(membership):
    content = {"membership": [membership]}
    asked = {"is_own": True, "membership_before": None}
    assert action_of_event("m.room.member", content, **asked) is None
