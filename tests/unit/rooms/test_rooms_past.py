"""What a room's past says of its rule, where others than ours changed what stands in it."""

from types import SimpleNamespace

import pytest

from domain_rules.rooms.past import needs_history, restore_settings
from tests.worlds.made_rooms import ANA

FROM_ELSEWHERE = "@nina:bare.example"
RULE, ENCRYPTION = "im.vector.room.access_rules", "m.room.encryption"
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


def is_ours(user_id):
    return user_id.endswith(":agents.example")


def sent(content, by=FROM_ELSEWHERE):
    return SimpleNamespace(sender=by, content=content)


def standing(kind, *contents, by=FROM_ELSEWHERE):
    """The content that counts, of these, the first of which came from here."""
    first, *others = contents
    past = [(kind, sent(first, ANA)), *((kind, sent(each, by)) for each in others)]
    return restore_settings(past, is_ours)[kind, ""].content


@pytest.mark.parametrize(
    "later",
    [
        {},
        {"rule": "open"},
        {"rule": 7},
        {"rule": "unrestricted"},
        {"rule": "direct", "visibility": "public"},
        {"rule": "direct", "force_unencrypted_at_creation": True},
    ],
)
def test_no_rule_from_elsewhere_makes_of_two_what_they_are_not(later):
    two = {"rule": "direct", "visibility": "private"}
    assert standing(RULE, two, later) == two
    assert standing(RULE, two, later, {"rule": "direct"}) == {"rule": "direct"}


@pytest.mark.parametrize(
    "later", [{"rule": "direct"}, {"rule": "restricted", "visibility": "public"}]
)
def test_no_rule_from_elsewhere_makes_a_private_room_public_or_one_for_two(later):
    private = {"rule": "restricted", "visibility": "private"}
    assert standing(RULE, private, later) == private


@pytest.mark.parametrize("later", [{"rule": "restricted"}, {"rule": "unrestricted"}])
def test_what_its_owners_may_change_counts_wherever_they_are(later):
    for before in ({"rule": "unrestricted"}, {"rule": "restricted"}):
        assert standing(RULE, before, later) == later


def test_what_people_here_sent_was_judged_when_they_sent_it():
    """By exempt people too."""
    assert standing(RULE, {"rule": "direct"}, {"rule": "restricted"}, by=ANA) == {
        "rule": "restricted"
    }


@pytest.mark.parametrize(
    "later", [{}, {"algorithm": ""}, {"algorithm": "m.none"}, {"algorithm": 7}]
)
def test_encryption_once_is_encryption_for_good(later):
    assert standing(ENCRYPTION, MEGOLM, later) == MEGOLM


def test_a_room_without_any_good_rule_has_none():
    assert restore_settings([(RULE, sent({})), (ENCRYPTION, sent({}))], is_ours) == {}


@pytest.mark.parametrize(
    ("rule", "encryption", "doubtful"),
    [
        (sent({"rule": "restricted"}, ANA), sent(MEGOLM), False),
        (None, None, False),
        (sent({"rule": "restricted"}), None, True),
        (sent({}, ANA), None, True),
        (None, sent({}, ANA), True),
        (None, sent({"algorithm": "m.none"}), True),
    ],
)
def test_the_past_is_asked_only_where_the_present_is_in_doubt(rule, encryption, doubtful):
    events = {(RULE, ""): rule, (ENCRYPTION, ""): encryption}
    events = {key: event for key, event in events.items() if event}
    assert needs_history(events, is_ours) is doubtful
