"""Mails of one kind, or to one domain, wait while operators want it, and leave afterwards."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity.core import journal, leases
from identity.core.job_outcomes import Later
from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.mail import pausing
from identity.mail.jobs import sending as jobs
from identity.mail.kinds import Fate, MailKind
from identity.mail.models import Mail, MailState
from identity.mail.pausing import NothingPaused
from identity.mail.quota import Template
from identity.mail_kinds import kind_of
from identity.sign_up import service as sign_up
from workers import tasks

OLGA = Actor("olga", "here", "their filter blocks us")


@pytest.fixture
def change(services):
    def change(function, **facts):
        with services.database.transaction() as session:
            return function(session, services.now(), OLGA, **{"kind": "", "domain": "", **facts})

    return change


@pytest.fixture
def work(services, postbox):
    def work() -> int:
        postbox.sent.clear()
        tasks.run_lane(services, Lane.URGENT)
        return len(postbox.sent)

    return work


@pytest.mark.parametrize(
    "which",
    [
        {"kind": "verify"},
        {"domain": "ac-rouen.example"},
        {"kind": "verify", "domain": "ac-rouen.example"},
    ],
)
def test_what_is_paused_waits_until_it_is_resumed(services, request_, change, work, which):
    assert change(pausing.pause, **which) == 1
    assert work() == 0
    services.now.advance(hours=20)
    assert work() == 0
    assert change(pausing.resume, **which) == 1
    assert work() == 1
    with services.database.reading() as session:
        assert session.query(Mail).one().state == MailState.HANDED
        rows = journal.find_recent(session, limit=2)
    assert [row.action for row in rows] == ["mail.resume", "mail.pause"]
    assert {row.actor for row in rows} == {"olga"}


@pytest.mark.parametrize("which", [{"kind": "invite"}, {"domain": "asso.example"}])
def test_other_mails_leave_meanwhile(request_, change, work, which):
    assert change(pausing.pause, **which) == 0
    assert work() == 1


def test_a_pause_ends_by_itself(services, request_, change, work):
    change(pausing.pause, kind="verify", until=services.now() + timedelta(minutes=30))
    assert work() == 0
    services.now.advance(minutes=31)
    assert work() == 1
    with services.database.reading() as session:
        assert pausing.in_force(session, services.now()) == []


def test_two_pauses_both_have_to_end(request_, change, work):
    change(pausing.pause, kind="verify")
    change(pausing.pause, domain="ac-rouen.example")
    assert work() == 0
    assert change(pausing.resume, kind="verify") == 0
    assert work() == 0
    assert change(pausing.resume, domain="ac-rouen.example") == 1
    assert work() == 1


def test_paused_twice_it_is_one_pause_and_what_is_not_paused_is_not_resumed(services, change):
    change(pausing.pause, kind="verify")
    change(pausing.pause, kind="verify", until=services.now() + timedelta(hours=1))
    with services.database.reading() as session:
        [found] = pausing.in_force(session, services.now())
    assert found.until == services.now() + timedelta(hours=1)
    change(pausing.resume, kind="verify")
    with pytest.raises(NothingPaused):
        change(pausing.resume, kind="verify")


def test_a_mail_of_a_later_moment_is_not_hurried_by_resuming(services, rules, change, work):
    with services.database.transaction() as session:
        for number in range(2):
            sign_up.start(
                session,
                rules,
                services.now(),
                address=EmailAddress.parse("zoe@ac-rouen.example"),
                browser=f"number {number}",
                language="fr",
                again=True,
            )
    change(pausing.pause, kind="verify")
    work()
    change(pausing.resume, kind="verify")
    assert work() == 1


def test_mails_to_operators_are_never_kept_back(services, request_, change):
    """Nobody is locked out of the console by a pause of its codes, or of their own domain."""
    with services.database.transaction() as session:
        session.query(Mail).one().template = Template.OPERATOR_CODE
    assert change(pausing.pause, domain="ac-rouen.example") == 0
    with services.database.transaction() as session:
        job = leases.lease_next(session, services.now(), Lane.URGENT)
    kept = MailKind(compose=lambda *_: None, is_for_operators=False)
    with pytest.raises(Later):
        jobs.send_mail(services, job, kind_of=lambda _: kept)
    theirs = MailKind(compose=lambda *_: None, decide=gone, is_for_operators=True)
    assert jobs.send_mail(services, job, kind_of=lambda _: theirs)


def gone(_turn) -> Fate:
    return Fate.DROPPED


def test_what_can_be_paused_is_what_goes_to_people():
    assert {each for each in Template if each not in pausing.KINDS} == {
        each for each in Template if kind_of(Mail(template=each)).is_for_operators
    }
