"""What is worth a report, and what Guichet is still to be told."""

from dataclasses import replace

import pytest

from domain_rules.rooms.room import MEMBER
from domain_rules.synapse_modules import reports
from domain_rules.synapse_modules.reports import KnownAddress, ReportKind, SeenEvent
from tests.worlds.reporting_house import GIL, OWN, ROOM, ZOE

SEEN = SeenEvent("$1", MEMBER, ROOM, ZOE, GIL, {"membership": "invite"}, 1, 1)


@pytest.mark.parametrize(
    ("before", "membership", "kind"),
    [
        (None, "invite", ReportKind.INVITED),
        ("leave", "invite", ReportKind.INVITED),
        ("invite", "invite", None),
        ("invite", "join", ReportKind.JOINED),
        (None, "join", ReportKind.JOINED),
        ("join", "join", None),
        ("invite", "leave", ReportKind.LEFT),
        ("join", "ban", ReportKind.LEFT),
        (None, "leave", None),
        ("leave", "ban", None),
        ("knock", "leave", None),
        (None, "knock", None),
    ],
)
def test_a_membership_is_reported_when_it_changes(before, membership, kind):
    seen = replace(SEEN, before=before, content={"membership": membership})
    made = reports.report_of_event(seen, own_name=OWN, is_guest=True)
    assert (made.kind if made else None) == kind


def test_only_guests_and_who_was_invited_by_mail_are_reported_and_only_by_their_homeserver():
    assert reports.report_of_event(SEEN, own_name=OWN, is_guest=False) is None
    assert reports.report_of_event(replace(SEEN, by_mail=True), own_name=OWN, is_guest=False)
    assert reports.report_of_event(SEEN, own_name="education.example", is_guest=True) is None


def test_the_same_event_always_makes_the_same_id():
    first, again = (reports.report_of_event(SEEN, own_name=OWN, is_guest=True) for _ in range(2))
    other = reports.report_of_event(replace(SEEN, event_id="$2"), own_name=OWN, is_guest=True)
    assert first.id == again.id != other.id


def test_guichet_is_told_what_it_has_not_heard_and_no_more():
    here = [(GIL, "a"), (GIL, "b"), (GIL, "c"), (GIL, "d")]
    heard = {
        (GIL, "b"): KnownAddress("ok", 1),
        (GIL, "c"): KnownAddress("rejected", 1),
        (GIL, "d"): KnownAddress("rejected", 2),
        (GIL, "gone"): KnownAddress("ok", 1),
    }
    found = reports.find_differences(here, heard, waiting=[], revision=2)
    assert found == [
        (ReportKind.UNBOUND, (GIL, "gone")),
        (ReportKind.BOUND, (GIL, "a")),
        (ReportKind.BOUND, (GIL, "c")),
    ]
    rest = reports.find_differences(here, heard, waiting=[(GIL, "a"), (GIL, "gone")], revision=2)
    assert rest == [(ReportKind.BOUND, (GIL, "c"))]


def test_tries_become_rarer_and_never_rare():
    assert [reports.retry_delay(number) for number in (1, 2, 3, 6, 1000)] == [2, 4, 8, 60, 60]
