"""A mail that does not arrive: what the inviter reads, and which address is left alone for how long."""

import uuid

import pytest

from identity.accounts import models as accounts
from identity.accounts.models import Account
from identity.invitations import history as invitation_events, service as invitations
from identity.mail import models as mails, results as mail_results
from identity.mail.models import MailState
from identity.mail.outcomes import Outcome
from identity.mail.quota import Template
from identity.mail_kinds import kind_of
from tests.worlds.inviting import ADA, GIL, ZOE, Inviting
from tests.worlds.sign_ups import *


@pytest.fixture
def inviting(database, rules, clock):
    inviting = Inviting(database, rules, clock)
    inviting.open_homeservers()
    return inviting


@pytest.fixture
def newest(database):
    def newest(template=Template.INVITE):
        with database.reading() as session:
            return next(mail for mail in mails.find_recent(session) if mail.template == template)

    return newest


@pytest.fixture
def refuse(database, hashes, clock):
    def refuse(mail, outcome=Outcome.NO_MAILBOX, **facts):
        with database.transaction() as session:
            row = mails.find(session, mail.id)
            return mail_results.record_refused(
                session,
                hashes,
                clock(),
                row,
                outcome=outcome,
                reply="550 5.1.1 no",
                kind=kind_of(row),
                **facts,
            )

    return refuse


@pytest.fixture
def hand(database, clock):
    def hand(mail):
        with database.transaction() as session:
            row = mails.find(session, mail.id)
            mail_results.record_handed(session, clock(), row, "250 2.0.0 ok", kind=kind_of(row))

    return hand


@pytest.fixture
def is_suppressed(database, hashes, clock):
    def is_suppressed(mail):
        with database.reading() as session:
            owner = accounts.find_by_address(session, mail.address)
            return mail_results.is_suppressed(
                session, hashes, clock(), mail, has_account=owner is not None
            )

    return is_suppressed


@pytest.fixture
def order(database, clock):
    def order(template=Template.INVITE, address=GIL, about=None):
        with database.transaction() as session:
            return mails.order(
                session,
                clock(),
                template=template,
                address=address,
                language="fr",
                subject_id=about.id if about else uuid.uuid4(),
            )

    return order


def last_line(inviting, invitation):
    with inviting.database.reading() as session:
        event = invitation_events.find_events(session, invitation.id)[-1]
        return (event.happened, event.by, event.detail)


@pytest.mark.slow
def test_a_mail_the_relay_took_moves_its_invitation_to_sent(inviting, newest, hand, clock):
    invitation = inviting.store()
    hand(newest())
    assert inviting.where(invitation) == "sent"
    assert (newest().state, newest().handed_at) == ("handed", clock())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.NO_MAILBOX, "no such mailbox"),
        (Outcome.MAILBOX_FULL, "mailbox full"),
        (Outcome.BAD_DOMAIN, "domain without mail"),
        (Outcome.BLOCKED, "their filter refuses our mail"),
        (Outcome.REFUSED, "their mail server refuses it"),
        (Outcome.RELAY_DOWN, "could not be delivered in time"),
    ],
)
def test_the_inviter_reads_why_it_was_refused(inviting, newest, hand, refuse, outcome, words):
    invitation = inviting.store()
    hand(newest())
    assert refuse(newest(), outcome)
    assert inviting.where(invitation) == "refused"
    assert last_line(inviting, invitation) == ("refused", "mail", words)
    mail = newest()
    assert (mail.state, mail.outcome, mail.last_reply) == ("refused", outcome, "550 5.1.1 no")


def test_a_bounce_that_comes_twice_counts_once(inviting, newest, refuse):
    invitation = inviting.store()
    assert refuse(newest())
    before = inviting.history(invitation)
    assert not refuse(newest(), Outcome.BLOCKED)
    assert inviting.history(invitation) == before
    assert newest().outcome == Outcome.NO_MAILBOX


def test_a_mail_that_may_have_been_taken_is_not_called_refused(inviting, newest, refuse):
    invitation = inviting.store()
    refuse(newest(), Outcome.UNKNOWN, state=MailState.GAVE_UP)
    assert inviting.where(invitation) == "sent"
    assert "not certain" in last_line(inviting, invitation)[2]
    assert newest().state == "gave_up"


def test_a_delay_changes_nothing_but_what_was_said(inviting, newest, hand, database, is_suppressed):
    invitation = inviting.store()
    hand(newest())
    with database.transaction() as session:
        row = mails.find(session, newest().id)
        mail_results.record_delayed(session, row, outcome=Outcome.DEFER, reply="451 later")
    mail = newest()
    assert (mail.state, mail.outcome, mail.last_reply) == ("handed", "defer", "451 later")
    assert inviting.where(invitation) == "sent"
    assert not is_suppressed(mail)


def test_a_delay_told_after_the_failure_does_not_hide_it(inviting, newest, refuse, database):
    inviting.store()
    refuse(newest())
    with database.transaction() as session:
        row = mails.find(session, newest().id)
        mail_results.record_delayed(session, row, outcome=Outcome.DEFER, reply="451 later")
    assert newest().outcome == Outcome.NO_MAILBOX


def test_a_mail_sent_again_after_a_refusal_makes_it_sent_again(
    inviting, newest, refuse, hand, clock
):
    invitation = inviting.store()
    refuse(newest(), Outcome.MAILBOX_FULL)
    clock.advance(hours=2)
    assert inviting.act(invitations.resend, invitation, by=ZOE)
    hand(newest())
    assert inviting.where(invitation) == "sent"


def test_a_bounce_does_not_touch_an_invitation_that_was_answered(inviting, newest, refuse):
    invitation = inviting.store()
    inviting.act(invitations.revoke, invitation, by=ZOE)
    refuse(newest())
    assert inviting.where(invitation) == "revoked"
    assert newest().state == "refused"


def test_an_address_without_a_mailbox_is_left_alone_for_a_day_then_for_good(
    inviting, newest, refuse, order, is_suppressed, clock
):
    inviting.store()
    refuse(newest())
    assert is_suppressed(order())
    clock.advance(days=1)
    assert not is_suppressed(order())
    refuse(order())
    clock.advance(days=30)
    assert is_suppressed(order())


def test_mails_under_way_together_are_one_strike(order, refuse, is_suppressed, clock):
    one, two = order(), order()
    refuse(one)
    clock.advance(hours=1)
    refuse(two)
    clock.advance(days=1)
    assert not is_suppressed(order())


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.NO_MAILBOX])
def test_nothing_else_is_held_against_the_address(order, refuse, is_suppressed, outcome):
    refuse(order(), outcome)
    assert not is_suppressed(order())


@pytest.mark.slow
def test_the_owner_of_an_account_waits_a_day_at_most(order, refuse, is_suppressed, database, clock):
    with database.transaction() as session:
        session.add(
            Account(
                address=GIL,
                user_id="@gil:guests.example",
                homeserver="guests.example",
                account_class="guest",
                display_name="Gil",
                language="fr",
                state=accounts.AccountState.READY,
                creation_mark="",
                created_at=clock(),
            )
        )
    refuse(order())
    clock.advance(days=1)
    refuse(order())
    signing_in = Template.EXISTS
    assert is_suppressed(order(signing_in))
    clock.advance(days=1)
    assert not is_suppressed(order(signing_in))
    assert is_suppressed(order(Template.INVITE))
    assert is_suppressed(order(signing_in, "somebody@association.example")) is False


def test_somebody_who_corrects_it_frees_the_address(order, refuse, is_suppressed, database, hashes):
    refuse(order())
    with database.transaction() as session:
        assert mail_results.lift_suppression(session, hashes, GIL)
        assert not mail_results.lift_suppression(session, hashes, GIL)
    assert not is_suppressed(order())


@pytest.mark.slow
def test_a_mail_that_is_not_tried_ends_refused_and_is_no_strike(
    inviting, newest, refuse, database, clock, is_suppressed, order
):
    inviting.store()
    refuse(newest())
    clock.advance(hours=1)
    second = inviting.store(sender=ADA, room_id="!other:education.example")
    with database.transaction() as session:
        row = mails.find(session, newest().id)
        mail_results.record_not_tried(session, clock(), row, kind=kind_of(row))
    assert inviting.where(second) == "refused"
    assert last_line(inviting, second) == ("refused", "mail", "no such mailbox")
    assert newest().last_reply == mail_results.NOT_TRIED
    clock.advance(days=1)
    assert not is_suppressed(order())


def test_a_digest_speaks_for_those_it_was_written_about(inviting, order, refuse, clock):
    first = inviting.store()
    digest = order(Template.INVITE_DIGEST, about=first)
    clock.advance(hours=1)
    later = inviting.store(sender=ADA)
    refuse(digest, Outcome.BLOCKED)
    assert inviting.where(first) == "refused"
    assert inviting.where(later) == "queued"
