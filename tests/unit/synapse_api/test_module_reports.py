"""What a module reports moves invitations, associations and proofs, once, and only of its own people."""

import uuid
from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.accounts import verified_addresses
from identity.accounts.models import Account
from identity.binding import service as binding
from identity.core.outbox import JobKind
from identity.homeservers import models as homeservers
from identity.invitations import history as invitation_events, models as third_party_invitations
from identity.invitations.models import Delivery, State
from identity.registration import service as registration
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.synapse_api import report_models
from identity.synapse_api.reports import Outcome, process
from identity.threepids import associations
from tests.worlds.cleaning import cleaned
from tests.worlds.inviting import GIL, ROOM, ZOE, Inviting
from tests.worlds.sign_ups import *

GUESTS, EDUCATION = "guests.example", "education.example"
INVITEE = f"@gil:{GUESTS}"
IN_ROOM = {"user_id": INVITEE, "room_id": ROOM, "by": INVITEE}


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


@pytest.fixture
def report(database, rules, clock):
    """`report("joined", user_id=…)`: what came of it."""

    def report(kind, *, homeserver=GUESTS, report_id=None, **facts) -> Outcome:
        with database.transaction() as session:
            return process(
                session,
                rules,
                clock(),
                policy="rule",
                homeserver=homeserver,
                report_id=report_id or uuid.uuid4(),
                content={"kind": kind, "at": 1, **facts},
            )

    return report


@pytest.fixture
def delivered(zoe, report):
    """An invitation that the homeserver of the invited person has."""
    row = zoe.store()
    assert report("bound", user_id=INVITEE, address=GIL).result == "ok"
    assert zoe.where(row) == "accepted"
    with zoe.database.transaction() as session:
        stored = zoe.read_in(session, row)
        third_party_invitations.move_delivery(
            session, stored, source=(Delivery.DUE,), to=Delivery.DELIVERED
        )
    assert report("invited", **IN_ROOM | {"by": ZOE}) == Outcome("ok")
    assert zoe.where(row) == "delivered"
    return row


def proofs(database, user_id=INVITEE):
    with database.reading() as session:
        return verified_addresses.addresses_of(session, user_id)


def bound(database, address=GIL):
    with database.reading() as session:
        found = associations.find_by_address(session, address)
        return found.user_id if found else None


def test_an_emptied_event_ends_its_invitation_and_asks_nobody_to_empty_it(zoe, report):
    row = zoe.store()
    facts = {"room_id": ROOM, "token": row.token, "by": ZOE}
    assert report("third_party_invite_revoked", **facts).why == "not_yours"
    other_room = facts | {"room_id": "!other:x"}
    told = report("third_party_invite_revoked", homeserver=EDUCATION, **other_room)
    assert (told.result, zoe.where(row)) == ("ignored", "queued")

    assert report("third_party_invite_revoked", homeserver=EDUCATION, **facts).result == "ok"
    assert (zoe.where(row), zoe.errands(JobKind.REVOCATION)) == ("revoked", 0)
    again = report("third_party_invite_revoked", homeserver=EDUCATION, **facts)
    assert again.result == "ignored"


def test_who_joins_and_leaves_later_has_joined(zoe, report, delivered):
    assert report("joined", **IN_ROOM).result == "ok"
    assert report("joined", **IN_ROOM).result == "ignored"
    assert report("left", **IN_ROOM).result == "ignored"
    assert zoe.where(delivered) == "joined"


def test_who_leaves_before_joining_has_declined(zoe, report, delivered):
    by_another = IN_ROOM | {"by": ZOE}
    assert report("left", **by_another).result == "ignored"
    assert report("left", **IN_ROOM | {"room_id": "!other:x"}).result == "ignored"
    assert zoe.where(delivered) == "delivered"
    assert report("left", **IN_ROOM).result == "ok"
    assert zoe.where(delivered) == "declined"
    assert zoe.history(delivered)[-1] == "declined"


def test_the_same_report_again_is_answered_as_the_first_time(zoe, report, delivered):
    one = uuid.uuid4()
    assert report("joined", report_id=one, **IN_ROOM).result == "ok"
    assert report("joined", report_id=one, **IN_ROOM).result == "ok"
    assert zoe.history(delivered).count("joined") == 1
    # Another homeserver may have made up the same id.
    told = report("joined", report_id=one, homeserver=EDUCATION, **IN_ROOM)
    assert told == Outcome("rejected", "not_yours")


def test_a_verified_address_is_associated_and_proved(database, zoe, report):
    assert report("bound", user_id=INVITEE, address=GIL.upper()).result == "ok"
    assert (bound(database), proofs(database)) == (INVITEE, [GIL])
    assert report("unbound", user_id=INVITEE, address=GIL.upper()).result == "ok"
    assert (bound(database), proofs(database)) == (None, [])


def test_a_homeserver_that_tells_of_a_guests_account_before_we_saw_it_made_stops_nothing(
    database, rules, clock, zoe, report, start
):
    row = zoe.store()
    request = start(address=EmailAddress.parse(GIL))

    def claim():
        with database.transaction() as session:
            proved = session.get_one(VerificationRequest, request.id)
            sign_up.confirm_by_link(session, clock(), proved)
            return registration.claim(
                session,
                rules,
                clock(),
                request=proved,
                homeserver=homeservers.find(session, GUESTS),
                display_name="Gil",
            )

    first = claim()
    assert report("bound", user_id=first.user_id, address=GIL).result == "ok"
    in_room = IN_ROOM | {"user_id": first.user_id, "by": first.user_id}
    assert report("joined", **in_room).result == "ok"
    # Whoever made the account was interrupted, and goes on with it.
    again = claim()
    assert again.user_id == first.user_id
    with database.transaction() as session:
        registration.finish(session, clock(), session.get_one(Account, first.id))
    with database.reading() as session:
        assert session.get_one(Account, first.id).sponsor == ZOE
    assert zoe.where(row) == "joined"
    with pytest.raises(problems.AddressTaken):
        claim()


def test_the_proof_outlives_the_association_a_person_withdraws(database, zoe, report):
    report("bound", user_id=INVITEE, address=GIL)
    with database.transaction() as session:
        binding.unbind(session, address=GIL, user_id=INVITEE)
    assert (bound(database), proofs(database)) == (None, [GIL])


def test_a_report_that_is_rejected_proves_nothing(database, zoe, report):
    told = report("bound", user_id=INVITEE, address="gil@ac-rouen.example")
    assert told == Outcome("rejected", "wrong_server")
    assert bound(database, "gil@ac-rouen.example") is None
    assert proofs(database) == []


def test_an_invitation_taken_back_by_a_member_of_another_homeserver_is_told_by_the_inviters(
    zoe, report
):
    row = zoe.store()
    facts = {"room_id": ROOM, "token": row.token, "by": f"@max:{GUESTS}"}
    assert report("third_party_invite_revoked", **facts).result == "ignored"
    assert zoe.where(row) == "queued"
    assert report("third_party_invite_revoked", homeserver=EDUCATION, **facts).result == "ok"
    assert zoe.where(row) == "revoked"


def test_the_history_names_nobody_whom_the_homeserver_makes_up(database, zoe, report):
    row = zoe.store()
    report("bound", user_id=INVITEE, address=GIL)
    assert report("invited", **IN_ROOM | {"by": "@minister:education.example"}).result == "ok"
    assert report("joined", **IN_ROOM | {"by": ZOE}).result == "ignored"
    with database.reading() as session:
        assert invitation_events.find_events(session, row.id)[-1].by == GUESTS


def test_who_is_deactivated_has_no_address_and_waits_for_no_invitation(database, zoe, report):
    row = zoe.store()
    report("bound", user_id=INVITEE, address=GIL)
    report("bound", user_id=f"@lea:{GUESTS}", address="lea@association.example")
    assert report("deactivated", user_id=INVITEE, homeserver=EDUCATION).why == "not_yours"
    assert report("deactivated", user_id=INVITEE).result == "ok"
    assert (bound(database), proofs(database)) == (None, [])
    assert bound(database, "lea@association.example") == f"@lea:{GUESTS}"
    # The errand finds nobody to bring it to; the invitation waits for whoever has the address next.
    assert zoe.read(row).state == State.ACCEPTED


def test_refusals_are_counted_for_the_support_desk_and_nobody_else_is_named(
    database, zoe, report, clock
):
    def told(count, last_at):
        at = int(last_at.timestamp() * 1000)
        one = {"user_id": INVITEE, "reason": "guest_may_not_invite", "count": count, "last_at": at}
        return report("refusals", refusals=[one])

    assert told(2, clock() - timedelta(minutes=5)).result == "ok"
    assert told(1, clock() - timedelta(minutes=9)).result == "ok"
    with database.reading() as session:
        (row,) = report_models.refusals_of(session, INVITEE)
        assert (row.reason, row.count) == ("guest_may_not_invite", 3)
        assert row.last_at == clock() - timedelta(minutes=5)
    # A clock that goes ahead of ours is not believed.
    assert told(1, clock() + timedelta(days=400)).result == "ok"
    with database.reading() as session:
        assert report_models.refusals_of(session, INVITEE)[0].last_at == clock()


@pytest.mark.parametrize(
    "facts",
    [
        {"user_id": INVITEE, "room_id": ROOM},
        {"user_id": "", "room_id": ROOM, "by": INVITEE},
        {"user_id": 7, "room_id": ROOM, "by": INVITEE},
        {"user_id": f"{INVITEE}\0", "room_id": ROOM, "by": INVITEE},
        {"user_id": "@" + "x" * 600 + f":{GUESTS}", "room_id": ROOM, "by": INVITEE},
    ],
)
def test_what_cannot_be_read_is_said_to_be_unreadable(zoe, report, facts):
    assert report("joined", **facts) == Outcome("rejected", "unreadable")


def test_refusals_are_counted_by_the_hour_for_the_page_of_their_homeserver(
    database, zoe, report, clock
):
    def told(count, at, reason="guest_may_not_invite"):
        milliseconds = int(at.timestamp() * 1000)
        refused = {"user_id": INVITEE, "reason": reason, "count": count, "last_at": milliseconds}
        assert report("refusals", refusals=[refused]).result == "ok"

    def counted(since):
        with database.reading() as session:
            return report_models.count_refusals(session, GUESTS, since)

    now, week = clock(), timedelta(days=7)
    told(2, now)
    told(1_000_000, now - timedelta(days=8))
    told(3, now - timedelta(days=2))
    told(41, now, "guest_may_not_create_room")
    expected = {"guest_may_not_create_room": 41, "guest_may_not_invite": 5}
    assert counted(now - week) == expected
    assert list(counted(now - week)) == list(expected)
    told(1, now + timedelta(days=400))  # a clock that goes ahead: it counts now
    assert counted(now - week)["guest_may_not_invite"] == 6
    with database.reading() as session:
        assert report_models.count_refusals(session, "mixed.example", now - week) == {}


@pytest.mark.slow
def test_reports_and_refusals_are_forgotten_after_their_term(database, zoe, report, clock):
    one = uuid.uuid4()
    report("joined", report_id=one, **IN_ROOM)
    at = int(clock().timestamp() * 1000)
    refused = {"user_id": INVITEE, "reason": "guest_may_not_invite", "count": 1, "last_at": at}
    report("refusals", refusals=[refused])

    def deleted():
        with database.transaction() as session:
            return cleaned(session, clock())["module reports"]

    assert deleted() == 0
    clock.advance(days=8, hours=1)
    assert deleted() == 1  # how many refusals there were in that hour
    clock.advance(days=53)
    assert deleted() == 2
    clock.advance(days=30)
    assert deleted() == 1
    with database.reading() as session:
        assert report_models.refusals_of(session, INVITEE) == []


@pytest.mark.parametrize(
    ("reported", "why"),
    [
        ("ﬁona@ac-rouen.example", "unstable_letter"),
        ("ſarah@ac-rouen.example", "unstable_letter"),
        ("\u212aarl@ac-rouen.example", "unstable_letter"),
        ("stra\u00dfe@ac-rouen.example", "unstable_letter"),
        ("fi\u200bona@ac-rouen.example", "control_character"),
        ("fio\u00adna@ac-rouen.example", "control_character"),
        ("\u3000fiona@ac-rouen.example", "space_inside"),
        ("fiona@ac-rouen.example ", "space_inside"),
        ("fiona@ac-\u200brouen.example", "control_character"),
        ("fiona@ac-rouen.examp\u2113e", "not_a_domain"),
        ("fiona@ac-rouen\u3002example", "not_a_domain"),
        ("fiona@\uff41c-rouen.example", "not_a_domain"),
        ("a%evil.com@ac-rouen.example", "foreign_sign"),
        ("élise@ac-rouen.example", "not_at_this_domain"),
        ("r&d@ac-rouen.example", "not_at_this_domain"),
    ],
)
def test_a_report_proves_no_address_that_folds_to_somebody_elses(report, database, reported, why):
    for mine in ("fiona@ac-rouen.example", "sarah@ac-rouen.example"):
        assert report("bound", homeserver=EDUCATION, user_id=f"@own:{EDUCATION}", address=mine)
    other = f"@eve:{EDUCATION}"
    told = report("bound", homeserver=EDUCATION, user_id=other, address=reported)
    assert told == Outcome("rejected", why)
    report("unbound", homeserver=EDUCATION, user_id=f"@own:{EDUCATION}", address=reported)
    assert proofs(database, other) == []
    for mine in ("fiona@ac-rouen.example", "sarah@ac-rouen.example"):
        assert bound(database, mine) == f"@own:{EDUCATION}"
