"""What the worker makes of the relay's answer to an invitation, and under which sender it leaves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from identity.core import outbox
from identity.core.outbox import Lane
from identity.invitations import (
    history as invitation_events,
    models as third_party_invitations,
    opting_out,
    service as invitations,
)
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.mail import bounces, models as mails, results as mail_results
from identity.mail.cli.mail import take_bounce
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.quota import Template
from identity.mail_kinds import kind_of
from tests.worlds.mail_reports import EXCHANGE, EXIM, GMAIL, POSTFIX, feedback, report
from tests.worlds.worker import *
from workers import tasks

ZOE = "@zoe:education.example"
GIL = "gil@association.example"
DOMAIN = "bounce.mail.example"


class Postbox:
    """Takes mails, or fails as told; keeps the envelopes."""

    def __init__(self):
        self.envelopes = []
        self.failure = None

    def send(self, message, *, envelope_from, to):
        if self.failure is not None:
            raise self.failure
        self.envelopes.append((envelope_from, to))
        return "250 2.0.0 queued"

    def close(self):
        """Nothing is open."""


@pytest.fixture
def postbox():
    return Postbox()


@pytest.fixture
def invitation(worker_services, invite, clock):
    made = invite(address=GIL)
    with worker_services.database.transaction() as session:
        row = third_party_invitations.find(session, made.id)
        invitations.order_mail(session, clock(), row, by=ZOE)
    clock.time += GATHERING_TIME
    return made


@pytest.fixture
def state(worker_services, invitation):
    """Of the invitation, and the detail of its last line."""

    def state():
        with worker_services.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            return row.state, invitation_events.find_events(session, row.id)[-1].detail

    return state


@pytest.fixture
def work(worker_services):
    return lambda: tasks.run_lane(worker_services, Lane.NORMAL)


def the_mail(worker_services):
    with worker_services.database.reading() as session:
        return next(m for m in mails.find_recent(session) if m.template == Template.INVITE)


def the_entry(worker_services):
    with worker_services.database.reading() as session:
        return outbox.find_by_subject(session, the_mail(worker_services).id)


def test_an_invitation_is_sent_when_the_relay_has_its_mail(state, work, postbox):
    assert state()[0] == "queued"
    work()
    assert state()[0] == "sent"
    assert postbox.envelopes == [("bonjour@guichet.localhost", GIL)]


def test_with_a_bounce_domain_the_sender_names_the_mail_and_proves_it(
    worker_services, invitation, postbox
):
    settings = worker_services.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    tasks.run_lane(replace(worker_services, settings=settings), Lane.NORMAL)
    [(sender, _)] = postbox.envelopes
    mail_id, mark = bounces.read_bounce_address(sender, DOMAIN)
    assert mail_id == the_mail(worker_services).id
    with worker_services.database.reading() as session:
        assert worker_services.hashes.is_bounce_mark(session, mark, mail_id)


@pytest.mark.parametrize("form", [POSTFIX, EXCHANGE, GMAIL, EXIM])
def test_its_bounce_comes_back_to_the_invitation(worker_services, state, postbox, form):
    settings = worker_services.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    worker_services = replace(worker_services, settings=settings)
    tasks.run_lane(worker_services, Lane.NORMAL)
    assert state()[0] == "sent"
    [(sender, _)] = postbox.envelopes
    delay = report(form, bounce=sender, to=GIL, action="delayed", status="4.4.1")
    take_bounce(worker_services, delay, None)
    assert state()[0] == "sent"
    take_bounce(worker_services, report(form, bounce=sender, to=GIL), None)
    assert state() == ("refused", "no such mailbox")


def test_who_calls_an_invitation_spam_gets_no_more_of_them_and_it_stands(
    worker_services, state, postbox
):
    settings = worker_services.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    worker_services = replace(worker_services, settings=settings)
    tasks.run_lane(worker_services, Lane.NORMAL)
    [(sender, _)] = postbox.envelopes
    for kind, gone in (("not-spam", False), ("abuse", True), ("abuse", True)):
        try:
            take_bounce(worker_services, feedback(sender, kind=kind), "complaints@guichet.example")
        except bounces.NoReport:
            assert kind == "not-spam"
        with worker_services.database.reading() as session:
            assert opting_out.has_opted_out(session, worker_services.hashes, GIL) is gone
    assert state()[0] == "sent"


def test_a_refusal_reaches_the_inviter_and_the_address_is_left_alone(
    worker_services, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.NO_MAILBOX, "550 5.1.1 no such user")
    work()
    assert state() == ("refused", "no such mailbox")
    assert (the_mail(worker_services).state, the_mail(worker_services).last_reply) == (
        "refused",
        "550 5.1.1 no such user",
    )
    assert the_entry(worker_services).gave_up_at == clock()


def test_an_invitation_to_an_address_left_alone_ends_without_a_try(
    worker_services, invitation, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.NO_MAILBOX, "550 5.1.1 no such user")
    work()
    postbox.failure = None
    clock.advance(hours=2)
    with worker_services.database.transaction() as session:
        row = third_party_invitations.find(session, invitation.id)
        invitations.order_mail(session, clock(), row, by=ZOE)
    assert state()[0] == "queued"
    clock.time += GATHERING_TIME
    work()
    assert state() == ("refused", "no such mailbox")
    assert postbox.envelopes == []
    assert the_mail(worker_services).last_reply == mail_results.NOT_TRIED


def test_what_cannot_be_handed_over_for_two_days_ends_as_refused(
    worker_services, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.DEFER, "451 4.7.1 greylisted")
    ordered = clock()
    work()
    while the_mail(worker_services).state == "waiting":
        assert state()[0] == "queued"
        clock.time = the_entry(worker_services).due_at
        work()
    assert state() == ("refused", "could not be delivered in time")
    assert clock() - ordered > timedelta(hours=24)


def test_a_bounce_that_came_before_the_relays_own_answer_stands(
    worker_services, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.UNKNOWN, "lost after the last dot")
    work()
    with worker_services.database.transaction() as session:
        row = mails.find(session, the_mail(worker_services).id)
        mail_results.record_refused(
            session,
            worker_services.hashes,
            clock(),
            row,
            outcome=Outcome.MAILBOX_FULL,
            reply="552",
            kind=kind_of(row),
        )
    postbox.failure = None
    clock.time = the_entry(worker_services).due_at
    work()
    assert postbox.envelopes == []
    assert state() == ("refused", "mailbox full")
    assert the_mail(worker_services).state == "refused"
