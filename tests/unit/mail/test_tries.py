"""Each try to hand a mail over is told as it was: deferred, taken, refused, or without a known end."""

import pytest

from identity.core import outbox
from identity.core.outbox import Lane
from identity.mail import after_restore, tries, views
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import NotSent, Outcome, mask_reply
from identity.mail.tries import MOST, MailTry
from tests.worlds.cleaning import cleaned
from tests.worlds.services import *
from workers import tasks

GREYLISTED = "451 4.7.1 Greylisted"


class Killed(BaseException):
    """The worker ends here, as by SIGKILL: nothing is recorded any more."""


@pytest.fixture
def work(services):
    def work():
        tasks.run_lane(services, Lane.URGENT)

    return work


@pytest.fixture
def told(services, request_):
    """What is told of the one mail; `facts`: how."""

    def told(**facts):
        with services.database.reading() as session:
            return views.describe(session, session.query(Mail).one(), **facts)

    return told


@pytest.fixture
def ended(told):
    """How each try ended, in order."""

    def ended():
        return [(each["attempt"], each["outcome"], each["reply"]) for each in told()["tries"]]

    return ended


def test_a_mail_that_was_deferred_twice_tells_three_tries(work, ended, told, postbox, clock):
    assert ended() == []
    postbox.failure = NotSent(Outcome.DEFER, GREYLISTED)
    work()
    first = clock()
    clock.advance(hours=2)
    work()
    postbox.failure = None
    clock.advance(hours=2)
    work()
    assert ended() == [
        (1, "defer", GREYLISTED),
        (2, "defer", GREYLISTED),
        (3, "handed", "250 2.0.0 queued"),
    ]
    shown = told()["tries"]
    assert shown[0]["began_at"] == shown[0]["ended_at"] == first.isoformat(timespec="seconds")
    assert shown[2]["began_at"] == clock().isoformat(timespec="seconds")


def test_a_try_whose_worker_died_has_no_end_and_the_next_one_its_own(work, ended, postbox, clock):
    postbox.failure = Killed()
    with pytest.raises(Killed):
        work()
    assert ended() == [(1, None, None)]
    clock.advance(seconds=outbox.LEASE.total_seconds())
    postbox.failure = None
    work()
    assert ended() == [(1, None, None), (2, "handed", "250 2.0.0 queued")]


def test_a_try_whose_answer_was_lost_says_so(work, ended, told, postbox, clock):
    postbox.failure = NotSent(Outcome.UNKNOWN, "the connection was lost")
    work()
    clock.advance(minutes=20)
    postbox.failure = None
    work()
    lost = (1, "unknown", "the connection was lost")
    assert ended() == [lost, (2, "handed", "250 2.0.0 queued")]
    assert told()["errand"]["uncertain"] == 1


def test_a_worker_that_was_too_slow_ends_its_try_no_more(services, work, ended, postbox, clock):
    send = postbox.send

    def slow(message, **facts):
        """Its lease ends, another worker hands the mail over, and then the first goes on."""
        postbox.send = send
        clock.advance(seconds=outbox.LEASE.total_seconds())
        work()
        return send(message, **facts)

    postbox.send = slow
    work()
    assert len(postbox.sent) == 2
    assert ended() == [(1, None, None), (2, "handed", "250 2.0.0 queued")]


def test_what_does_not_come_as_far_as_the_relay_is_no_try(services, work, ended, told):
    with services.database.transaction() as session:
        session.query(Mail).one().state = MailState.DROPPED
    work()
    assert (ended(), told()["errand"]["attempts"]) == ([], 1)


def test_a_refusal_is_the_last_try_and_an_operator_may_try_once_more(
    services, work, ended, postbox, clock, request_
):
    postbox.failure = NotSent(Outcome.BLOCKED, "550 5.7.1 no")
    work()
    postbox.failure = None
    with services.database.transaction() as session:
        mail = session.query(Mail).one()
        mail.state = MailState.WAITING
        outbox.retry(session, mail.id, clock())
    work()
    assert ended() == [(1, "blocked", "550 5.7.1 no"), (2, "handed", "250 2.0.0 queued")]


def test_a_bounce_that_comes_before_the_answer_of_the_relay_leaves_the_try_as_it_was(
    services, work, ended, told, postbox
):
    send = postbox.send

    def bounced(message, **facts):
        with services.database.transaction() as session:
            row = session.query(Mail).one()
            row.state, row.last_reply = MailState.REFUSED, "550 5.1.1 bounced"
        return send(message, **facts)

    postbox.send = bounced
    work()
    assert (told()["state"], told()["last_reply"]) == ("refused", "550 5.1.1 bounced")
    assert ended() == [(1, "handed", "250 2.0.0 queued")]


def test_only_the_newest_tries_are_kept(services, request_, ended, clock):
    with services.database.transaction() as session:
        mail_id = session.query(Mail).one().id
        for attempt in range(1, MOST + 4):
            tries.begin(session, mail_id, attempt, clock())
            tries.end(session, mail_id, attempt, clock(), outcome=Outcome.DEFER, reply="451 later")
    assert [attempt for attempt, _, _ in ended()] == list(range(4, MOST + 4))


def test_a_mail_that_cannot_be_encoded_has_a_try_that_never_began(services, request_, ended, clock):
    with services.database.transaction() as session:
        mail_id = session.query(Mail).one().id
        tries.end(session, mail_id, 1, clock(), outcome=Outcome.CONTENT, reply="no SMTPUTF8")
    assert ended() == [(1, "content", "no SMTPUTF8")]


def test_tries_are_deleted_with_their_mail(services, work, request_, clock):
    work()
    clock.advance(days=31)
    with services.database.transaction() as session:
        assert session.query(MailTry).count() == 1
        assert cleaned(session, clock(), None)["mails"] == 1
        assert session.query(MailTry).count() == 0


def test_of_an_erased_mail_no_try_is_recorded(services, work, request_, postbox):
    send = postbox.send

    def erased(message, **facts):
        with services.database.transaction() as session:
            session.delete(session.query(Mail).one())
        return send(message, **facts)

    postbox.send = erased
    work()
    with services.database.reading() as session:
        assert session.query(MailTry).count() == 0


def test_a_restore_ends_a_mail_and_adds_no_try(services, work, ended, told, postbox, clock):
    postbox.failure = NotSent(Outcome.DEFER, GREYLISTED)
    work()
    with services.database.transaction() as session:
        assert after_restore.end_mails(session, clock(), clock()) == 1
    assert ended() == [(1, "defer", GREYLISTED)]
    assert told()["last_reply"] == after_restore.PERHAPS_SENT


def test_a_reply_that_quotes_an_address_is_masked(work, told, postbox, camille):
    said = f"<{camille.canonical}>: boss@ac-rouen.example refuses Camille.Durand"
    postbox.failure = NotSent(Outcome.DEFER, mask_reply(451, said, to=camille.canonical))
    work()
    for is_masked in (False, True):
        shown = told(is_masked=is_masked)
        assert shown["tries"][0]["reply"] == shown["last_reply"]
        assert "boss" not in shown["last_reply"]
        assert "amille" not in shown["last_reply"]
