"""What is frozen, from when until when, for whom; and that a thaw lets go what was held, in its order."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core import journal, leases, outbox, waiting_jobs
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.freezes import models as freezes, service
from identity.freezes.in_force import FreezesInForce
from identity.freezes.models import Frozen

OLGA = Actor("Olga", "here", "an incident")
ANA = EmailAddress.stored("ana@ac-rouen.example")
HOUR = timedelta(hours=1)


@pytest.fixture
def freeze(database, clock):
    def freeze(what, **facts):
        with database.transaction() as session:
            return service.freeze(session, clock(), OLGA, what, **facts)

    return freeze


def refusal(database, clock, check, *given, **facts):
    with database.reading() as session:
        try:
            check(session, clock(), *given, **facts)
        except problems.Stopped as stopped:
            return stopped
    return None


def at_once(database, clock, deed, *given, **facts):
    """What each of six operators is told, who do the same at the same moment."""
    gate = threading.Barrier(6)

    def do(name):
        gate.wait(30)
        with database.transaction() as session:
            who = Actor(name, "here", "an incident")
            return deed(session, clock(), who, *given, **facts)

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(do, "abcdef"))


def test_of_those_who_freeze_at_once_one_begins_and_the_others_give_it_an_end(database, clock):
    def facts_of(action):
        with database.reading() as session:
            return [json.loads(row.facts) for row in journal.find_recent(session, action=action)]

    until = clock() + HOUR
    at_once(database, clock, service.freeze, Frozen.DOMAIN, domain="ac-rouen.example", until=until)
    begun = facts_of("freeze.begin")
    assert (len(begun), [each["before"] for each in begun].count(None)) == (6, 1)
    done = at_once(database, clock, service.thaw, Frozen.DOMAIN, domain="ac-rouen.example")
    assert sorted(done) == [*[False] * 5, True]
    assert len(facts_of("freeze.end")) == 1


def test_nothing_is_refused_while_nothing_is_frozen(database, clock):
    for check in (service.check_sign_up, service.check_invitation, service.check_mail):
        assert refusal(database, clock, check, ANA) is None


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        (Frozen.SIGN_UPS, {"sign_up": "sign_ups_frozen"}),
        (
            Frozen.INVITATIONS,
            {"invitation": "invitations_frozen", "invite_mail": "invitations_frozen"},
        ),
        (Frozen.MAILS, {"mail": "mails_frozen", "invite_mail": "mails_frozen"}),
    ],
)
def test_a_freeze_refuses_its_own_and_nothing_else(database, clock, freeze, what, refused):
    freeze(what)
    found = {
        "sign_up": refusal(database, clock, service.check_sign_up, ANA),
        "invitation": refusal(database, clock, service.check_invitation, ANA),
        "mail": refusal(database, clock, service.check_mail, ANA),
        "invite_mail": refusal(database, clock, service.check_mail, ANA, invites=True),
    }
    assert {name: each.reason for name, each in found.items() if each} == refused


def test_a_frozen_domain_holds_for_what_is_below_it_and_for_no_other(database, clock, freeze):
    freeze(Frozen.DOMAIN, domain="rouen.example")
    for address, is_frozen in (
        ("a@rouen.example", True),
        ("a@lycee.rouen.example", True),
        ("a@ac-rouen.example", False),  # ends alike, and is another domain
        ("a@example", False),
    ):
        parsed = EmailAddress.stored(address)
        for check in (service.check_sign_up, service.check_invitation, service.check_mail):
            assert bool(refusal(database, clock, check, parsed)) is is_frozen, address


def test_a_freeze_with_an_end_thaws_by_itself_and_says_until_when(database, clock, freeze):
    freeze(Frozen.SIGN_UPS, until=clock() + HOUR)
    stopped = refusal(database, clock, service.check_sign_up, ANA)
    assert stopped.further["org.guichet.until"] == "2027-03-01T10:00:00+00:00"
    assert "10:00 UTC" in str(stopped)
    clock.advance(hours=1)
    assert refusal(database, clock, service.check_sign_up, ANA) is None
    with database.transaction() as session:
        assert freezes.forget(session, clock()) == 1


def test_freezing_again_changes_the_end_and_the_journal_has_both(database, clock, freeze):
    freeze(Frozen.MAILS, until=clock() + HOUR)
    began = clock()
    clock.advance(minutes=5)
    again = freeze(Frozen.MAILS)
    assert (again.since, again.until) == (began, None)
    with database.reading() as session:
        newest, first = journal.find_recent(session, action="freeze.begin")
    assert '"before":null' in first.facts
    assert '"until":"2027-03-01T10:00:00+00:00"' in newest.facts
    assert (newest.actor, newest.reason) == ("Olga", "an incident")


def test_a_thaw_lets_jobs_go_in_their_order_and_their_age_begins_anew(database, clock, freeze):
    freeze(Frozen.MAILS)
    subjects = [uuid.uuid4() for _ in range(3)]
    with database.transaction() as session:
        for number, subject in enumerate(subjects):
            due_at = clock() + timedelta(seconds=number)
            outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT, due_at=due_at)
    clock.advance(seconds=5)
    with database.transaction() as session:
        while job := leases.lease_next(session, clock(), Lane.URGENT):
            assert leases.hold(session, job, clock(), "mails")
            clock.advance(seconds=1)
    clock.advance(days=20)
    with database.transaction() as session:
        assert leases.lease_next(session, clock(), Lane.URGENT) is None
        assert waiting_jobs.depth_by_lane(session, clock()) == {}, "held is not overdue"
        assert waiting_jobs.count_held(session) == {"mails": 3}
        assert service.thaw(session, clock(), OLGA, Frozen.MAILS)
        went = [leases.lease_next(session, clock(), Lane.URGENT) for _ in subjects]
    assert [job.subject_id for job in went] == subjects
    assert {job.created_at for job in went} == {job.released_at for job in went} == {clock()}


def test_what_a_slow_worker_still_has_is_not_settled_by_one_who_lost_it(database, clock):
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
        slow = leases.lease_next(session, clock(), Lane.URGENT)
        session.expunge(slow)
        clock.advance(minutes=2)
        fast = leases.lease_next(session, clock(), Lane.URGENT)
        assert not leases.hold(session, slow, clock(), "mails")
        assert leases.hold(session, fast, clock(), "mails")


def test_thawing_what_is_not_frozen_changes_nothing(database, clock):
    with database.transaction() as session:
        assert not service.thaw(session, clock(), OLGA, Frozen.MAILS)
        assert journal.find_recent(session) == []


class Away:
    """A database that is there at first, and then away."""

    def __init__(self, database):
        self.database, self.is_away = database, False

    def reading(self):
        if self.is_away:
            raise OperationalError("select", {}, Exception("away"))
        return self.database.reading()


def test_the_last_known_state_holds_while_the_database_is_away(database, clock, freeze):
    freeze(Frozen.SIGN_UPS, until=clock() + HOUR)
    between = Away(database)
    in_force = FreezesInForce(between, clock, look_every=0.0)
    assert in_force.current().of(Frozen.SIGN_UPS)
    between.is_away = True
    assert in_force.current().of(Frozen.SIGN_UPS)
    clock.advance(hours=1)
    assert in_force.current().of(Frozen.SIGN_UPS) is None, "its end needs no database"


def test_a_process_that_never_saw_the_database_takes_nothing_for_frozen(database, clock):
    between = Away(database)
    between.is_away = True
    assert FreezesInForce(between, clock).current().each == ()
