"""What is worth a report, and what Guichet is still to be told."""

from dataclasses import replace

import pytest

from domain_rules.synapse_modules import reports
from domain_rules.synapse_modules.reports import Heard, Kind, Seen

from .reporting_house import GIL, OWN, ROOM, ZOE

SEEN = Seen("$1", reports.MEMBER, ROOM, ZOE, GIL, {"membership": "invite"}, 1, 1)


@pytest.mark.parametrize(
    ("before", "membership", "kind"),
    [
        (None, "invite", Kind.INVITED),
        ("leave", "invite", Kind.INVITED),
        ("invite", "invite", None),
        ("invite", "join", Kind.JOINED),
        (None, "join", Kind.JOINED),
        ("join", "join", None),
        ("invite", "leave", Kind.LEFT),
        ("join", "ban", Kind.LEFT),
        (None, "leave", None),
        ("leave", "ban", None),
        ("knock", "leave", None),
        (None, "knock", None),
    ],
)
def test_a_membership_is_reported_when_it_changes(before, membership, kind):
    seen = replace(SEEN, before=before, content={"membership": membership})
    made = reports.of_event(seen, own_name=OWN, is_guest=True)
    assert (made.kind if made else None) == kind


def test_only_guests_and_who_was_invited_by_mail_are_reported_and_only_by_their_homeserver():
    assert reports.of_event(SEEN, own_name=OWN, is_guest=False) is None
    assert reports.of_event(replace(SEEN, by_mail=True), own_name=OWN, is_guest=False)
    assert reports.of_event(SEEN, own_name="education.example", is_guest=True) is None


def test_the_same_event_always_makes_the_same_id():
    first, again = (reports.of_event(SEEN, own_name=OWN, is_guest=True) for _ in range(2))
    other = reports.of_event(replace(SEEN, event_id="$2"), own_name=OWN, is_guest=True)
    assert first.id == again.id != other.id


def test_guichet_is_told_what_it_has_not_heard_and_no_more():
    here = [(GIL, "a"), (GIL, "b"), (GIL, "c"), (GIL, "d")]
    heard = {
        (GIL, "b"): Heard("ok", 1),
        (GIL, "c"): Heard("rejected", 1),
        (GIL, "d"): Heard("rejected", 2),
        (GIL, "gone"): Heard("ok", 1),
    }
    found = reports.differences(here, heard, waiting=[], revision=2)
    assert found == [
        (Kind.UNBOUND, (GIL, "gone")),
        (Kind.BOUND, (GIL, "a")),
        (Kind.BOUND, (GIL, "c")),
    ]
    rest = reports.differences(here, heard, waiting=[(GIL, "a"), (GIL, "gone")], revision=2)
    assert rest == [(Kind.BOUND, (GIL, "c"))]


def test_tries_become_rarer_and_never_rare():
    assert [reports.delay(number) for number in (1, 2, 3, 6, 1000)] == [2, 4, 8, 60, 60]
