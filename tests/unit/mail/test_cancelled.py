"""A cancelled mail never leaves, and one that left all the same says so."""

from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.mail import cancelling
from identity.mail.models import Mail, MailState
from identity.mail_kinds import kind_of
from workers import tasks

OLGA = Actor("olga", "here", "a mistake")


def cancel(services):
    with services.database.transaction() as session:
        found = cancelling.find_waiting(session, "camille.durand@ac-rouen.example")
        return cancelling.cancel(
            session, services.hashes, services.now(), found, OLGA, kind_of=kind_of
        )


def the_mail(services):
    with services.database.reading() as session:
        return session.query(Mail).one()


def test_a_cancelled_mail_is_not_sent(services, request_, postbox):
    assert len(cancel(services)) == 1
    tasks.run_lane(services, Lane.URGENT)
    assert postbox.sent == []
    assert the_mail(services).state == MailState.DROPPED
    assert cancel(services) == []


def test_a_mail_that_was_being_handed_over_says_that_it_left(services, request_, postbox):
    send = postbox.send

    def cancelled_meanwhile(message, **facts):
        cancel(services)
        return send(message, **facts)

    postbox.send = cancelled_meanwhile
    tasks.run_lane(services, Lane.URGENT)
    assert len(postbox.sent) == 1
    assert the_mail(services).state == MailState.HANDED
