"""What the worker makes of the relay's answer to an invitation, and under which sender it leaves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from identity.core import outbox
from identity.core.outbox import Lane
from identity.invitations import history as invitation_events
from identity.invitations import models as third_party_invitations
from identity.invitations import opting_out
from identity.invitations import service as invitations
from identity.invitations.mail_grouping import GATHERED
from identity.mail import bounces
from identity.mail import models as mails
from identity.mail import results as mail_results
from identity.mail.cli import take_bounce
from identity.mail.mailer import NotSent
from identity.mail.models import Template
from identity.mail.outcomes import Outcome
from identity.mail_kinds import kind_of
from tests.identity.mail.reports import EXCHANGE, EXIM, GMAIL, POSTFIX, feedback, report
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
def invitation(wired, invite, clock):
    made = invite(address=GIL)
    with wired.database.transaction() as session:
        row = third_party_invitations.find(session, made.id)
        invitations.order_mail(session, clock(), row, by=ZOE)
    clock.time += GATHERED
    return made


@pytest.fixture
def state(wired, invitation):
    """Of the invitation, and the detail of its last line."""

    def state():
        with wired.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            return row.state, invitation_events.of_invitation(session, row.id)[-1].detail

    return state


@pytest.fixture
def work(wired):
    return lambda: tasks.run(wired, Lane.NORMAL)


def the_mail(wired):
    with wired.database.reading() as session:
        return next(m for m in mails.recent(session) if m.template == Template.INVITE)


def the_entry(wired):
    with wired.database.reading() as session:
        return outbox.of_subject(session, the_mail(wired).id)


def test_an_invitation_is_sent_when_the_relay_has_its_mail(state, work, postbox):
    assert state()[0] == "queued"
    work()
    assert state()[0] == "sent"
    assert postbox.envelopes == [("bonjour@guichet.localhost", GIL)]


def test_with_a_bounce_domain_the_sender_names_the_mail_and_proves_it(wired, invitation, postbox):
    settings = wired.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    tasks.run(replace(wired, settings=settings), Lane.NORMAL)
    [(sender, _)] = postbox.envelopes
    mail_id, mark = bounces.mail_of(sender, DOMAIN)
    assert mail_id == the_mail(wired).id
    with wired.database.reading() as session:
        assert wired.hashes.is_bounce_mark(session, mark, mail_id)


@pytest.mark.parametrize("form", [POSTFIX, EXCHANGE, GMAIL, EXIM])
def test_its_bounce_comes_back_to_the_invitation(wired, state, postbox, form):
    settings = wired.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    wired = replace(wired, settings=settings)
    tasks.run(wired, Lane.NORMAL)
    assert state()[0] == "sent"
    [(sender, _)] = postbox.envelopes
    delay = report(form, bounce=sender, to=GIL, action="delayed", status="4.4.1")
    take_bounce(wired, delay, None)
    assert state()[0] == "sent"
    take_bounce(wired, report(form, bounce=sender, to=GIL), None)
    assert state() == ("refused", "no such mailbox")


def test_who_calls_an_invitation_spam_gets_no_more_of_them_and_it_stands(wired, state, postbox):
    settings = wired.settings.model_copy(update={"mail_bounce_domain": DOMAIN})
    wired = replace(wired, settings=settings)
    tasks.run(wired, Lane.NORMAL)
    [(sender, _)] = postbox.envelopes
    for kind, gone in (("not-spam", False), ("abuse", True), ("abuse", True)):
        try:
            take_bounce(wired, feedback(sender, kind=kind), "complaints@guichet.example")
        except bounces.NoReport:
            assert kind == "not-spam"
        with wired.database.reading() as session:
            assert opting_out.has_opted_out(session, wired.hashes, GIL) is gone
    assert state()[0] == "sent"


def test_a_refusal_reaches_the_inviter_and_the_address_is_left_alone(
    wired, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.NO_MAILBOX, "550 5.1.1 no such user")
    work()
    assert state() == ("refused", "no such mailbox")
    assert (the_mail(wired).state, the_mail(wired).last_reply) == (
        "refused",
        "550 5.1.1 no such user",
    )
    assert the_entry(wired).gave_up_at == clock()


def test_an_invitation_to_an_address_left_alone_ends_without_a_try(
    wired, invitation, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.NO_MAILBOX, "550 5.1.1 no such user")
    work()
    postbox.failure = None
    clock.advance(hours=2)
    with wired.database.transaction() as session:
        row = third_party_invitations.find(session, invitation.id)
        invitations.order_mail(session, clock(), row, by=ZOE)
    assert state()[0] == "queued"
    clock.time += GATHERED
    work()
    assert state() == ("refused", "no such mailbox")
    assert postbox.envelopes == []
    assert the_mail(wired).last_reply == mail_results.NOT_TRIED


def test_what_cannot_be_handed_over_for_two_days_ends_as_refused(
    wired, state, work, postbox, clock
):
    postbox.failure = NotSent(Outcome.DEFER, "451 4.7.1 greylisted")
    ordered = clock()
    work()
    while the_mail(wired).state == "waiting":
        assert state()[0] == "queued"
        clock.time = the_entry(wired).due_at
        work()
    assert state() == ("refused", "could not be delivered in time")
    assert clock() - ordered > timedelta(hours=24)


def test_a_bounce_that_came_before_the_relays_own_answer_stands(wired, state, work, postbox, clock):
    postbox.failure = NotSent(Outcome.UNKNOWN, "lost after the last dot")
    work()
    with wired.database.transaction() as session:
        row = mails.find(session, the_mail(wired).id)
        mail_results.refused(
            session,
            wired.hashes,
            clock(),
            row,
            outcome=Outcome.MAILBOX_FULL,
            reply="552",
            kind=kind_of(row),
        )
    postbox.failure = None
    clock.time = the_entry(wired).due_at
    work()
    assert postbox.envelopes == []
    assert state() == ("refused", "mailbox full")
    assert the_mail(wired).state == "refused"
