"""What is due is carried out once; what fails is seen, tried again and ended."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from identity.core import leases, outbox
from identity.core.one_time_codes import models as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import LEASE, Job, JobKind, Lane
from identity.core.retries import UNFORESEEN
from identity.mail import models as mails
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.quota import Template
from identity.mail.rendering import group_digits
from identity.sign_up import not_me, service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.threepids import associations
from tests.worlds import codes
from tests.worlds.worker import *
from workers import celery_app, tasks
from workers.celery_app import TASK_LIMIT, VISIBILITY_TIMEOUT
from workers.jobs import CARRY_OUT

ADDRESS = "camille.durand@ac-rouen.example"


@pytest.fixture
def work(services):
    return lambda lane=Lane.URGENT: tasks.run_lane(services, lane)


def the_mail(services, template="verify"):
    with services.database.reading() as session:
        return next(mail for mail in mails.find_recent(session) if mail.template == template)


def the_entry(services):
    with services.database.reading() as session:
        return outbox.find_by_subject(session, the_mail(services).id)


def text_of(message):
    return message.get_body(("plain",)).get_content()


def test_a_due_mail_is_sent_and_settled(services, request_, postbox, work, clock):
    work()
    assert [message["To"] for message in postbox.sent] == [ADDRESS]
    assert the_entry(services).done_at == clock()
    mail = the_mail(services)
    assert (mail.state, mail.handed_at, mail.last_reply) == ("handed", clock(), "250 2.0.0 queued")
    work()
    assert len(postbox.sent) == 1


def test_the_mail_carries_the_code_and_the_link_of_its_request(services, request_, postbox, work):
    work()
    text = text_of(postbox.sent[0])
    with services.database.reading() as session:
        code = codes.mailed(session, services.tokens, Purpose.SIGN_UP, ADDRESS)
    assert f"\n\n{group_digits(code)}\n\n" in text
    assert code not in postbox.sent[0]["Subject"]
    links = re.findall(r"http://127\.0\.0\.1:8090/v/(\S+)", text)
    assert [services.tokens.read_link(link, "verify") for link in links] == [request_.id]


def test_a_relay_that_is_down_is_tried_again_and_the_mail_keeps_its_message_id(
    services, request_, postbox, work, clock
):
    postbox.failure = NotSent(Outcome.RELAY_DOWN, "timed out")
    work()
    assert the_mail(services).outcome == "relay_down"
    first_due = the_entry(services).due_at
    postbox.failure = None
    work()
    assert not postbox.sent, "not before its time"
    clock.time = first_due
    work()
    assert [m["Message-ID"] for m in postbox.sent] == [
        f"<{the_mail(services).id}@guichet.localhost>"
    ]
    assert the_mail(services).outcome is None


def test_a_relay_that_is_down_ends_the_run_so_that_a_time_out_is_paid_once(
    services, request_, postbox, work, clock
):
    with services.database.transaction() as session:
        for number in range(3):
            mails.order(
                session,
                clock(),
                template=Template.EXISTS,
                address=f"a{number}@ac-rouen.example",
                language="fr",
                subject_id=request_.id,
            )
    asked = []

    class Counting(NotSent):
        def __init__(self):
            asked.append(1)
            super().__init__(Outcome.RELAY_DOWN, "timed out")

    class Broken(type(postbox)):
        def send(self, message, **_):
            raise Counting

    object.__setattr__(services, "mailer", Broken())
    work()
    assert len(asked) == 1


def test_a_mail_lost_after_it_was_deferred_has_its_one_second_chance(
    services, request_, postbox, work, clock
):
    for outcome in (Outcome.DEFER, Outcome.UNKNOWN):
        postbox.failure = NotSent(outcome, "451 4.7.1 greylisted")
        work()
        assert the_mail(services).state == "waiting"
        clock.time = the_entry(services).due_at
    postbox.failure = NotSent(Outcome.UNKNOWN, "lost after the last dot")
    work()
    assert the_mail(services).state == "gave_up"


@pytest.mark.parametrize("outcome", [Outcome.NO_MAILBOX, Outcome.BAD_DOMAIN, Outcome.BLOCKED])
def test_a_refusal_for_good_ends_the_mail_and_is_kept_with_its_reply(
    services, request_, postbox, work, clock, outcome
):
    postbox.failure = NotSent(outcome, "550 5.1.1 no such user")
    work()
    mail = the_mail(services)
    assert (mail.state, mail.outcome, mail.last_reply) == (
        "refused",
        outcome,
        "550 5.1.1 no such user",
    )
    assert the_entry(services).gave_up_at == clock()


def test_a_mail_that_cannot_leave_within_a_day_is_given_up(
    services, request_, postbox, work, clock
):
    postbox.failure = NotSent(Outcome.DEFER, "451 4.7.1 greylisted")
    for _ in range(60):
        work()
        clock.time = max(the_entry(services).due_at, clock())
        if the_mail(services).state != "waiting":
            break
    assert the_mail(services).state in {"gave_up", "dropped"}
    assert clock() - the_mail(services).created_at <= timedelta(hours=25)


def test_a_mail_whose_reason_ended_is_dropped(services, request_, postbox, work, clock):
    with services.database.transaction() as session:
        not_me.cancel(session, clock(), session.get_one(VerificationRequest, request_.id))
    work()
    assert (postbox.sent, the_mail(services).state) == ([], "dropped")


def test_a_verification_mail_never_leaves_for_an_address_that_got_an_account_meanwhile(
    services, request_, postbox, work, clock, camille, rules
):
    with services.database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@c:x.example")
        row = session.get_one(VerificationRequest, request_.id)
        clock.advance(minutes=2)
        sign_up.resend(session, clock(), row, language="fr")
    work()
    assert {mail["X-Guichet-Template"].partition(";")[0] for mail in postbox.sent} == {"exists"}
    with services.database.reading() as session:
        assert one_time_codes.find_newest(session, Purpose.SIGN_UP, ADDRESS).key_id is None


def test_a_worker_that_dies_between_lease_and_send_is_replaced_by_the_next(
    services, request_, postbox, work, clock
):
    with services.database.transaction() as session:
        leases.lease_next(session, clock(), Lane.URGENT)
    work()
    assert not postbox.sent
    clock.advance(seconds=LEASE.total_seconds())
    work()
    work()
    assert len(postbox.sent) == 1


def test_a_job_of_which_workers_die_is_given_up_and_seen(services, request_, postbox, work, clock):
    for _ in range(tasks.MOST_UNCERTAIN):
        with services.database.transaction() as session:
            assert leases.lease_next(session, clock(), Lane.URGENT)
        clock.advance(seconds=LEASE.total_seconds())
    work()
    assert not postbox.sent
    entry = the_entry(services)
    assert (entry.gave_up_at, entry.attempts) == (clock(), tasks.MOST_UNCERTAIN + 1)
    assert "no known end" in entry.last_error
    with services.database.transaction() as session:
        outbox.retry(session, entry.subject_id, clock())
    work()
    assert len(postbox.sent) == 1
    assert the_entry(services).uncertain, "it may have left before"


def test_a_fault_of_ours_stops_neither_the_lane_nor_is_tried_for_ever(
    services, request_, postbox, work, clock, caplog
):
    postbox.failure = ZeroDivisionError(f"with {ADDRESS} in it")
    work()
    entry = the_entry(services)
    assert (entry.attempts, entry.last_error) == (1, "ZeroDivisionError")
    assert entry.due_at > clock()
    for _ in range(UNFORESEEN.max_tries):
        clock.time = max(the_entry(services).due_at, clock())
        work()
    assert the_entry(services).gave_up_at is not None


def test_a_job_of_a_later_version_does_not_stop_the_lane(services, request_, postbox, work, clock):
    """As while nodes are upgraded one after the other: it is first, and this one does not know it."""
    with services.database.transaction() as session:
        row = outbox.find_by_subject(session, the_mail(services).id)
        later = Job(
            kind="of_tomorrow", lane=row.lane, subject_id=uuid4(), created_at=row.created_at
        )
        later.due_at = row.due_at - timedelta(seconds=1)
        session.add(later)
    work()
    assert len(postbox.sent) == 1
    with services.database.reading() as session:
        stored = outbox.find_by_subject(session, later.subject_id)
    assert stored.due_at > clock(), "a worker that knows it may have it later"
    assert stored.gave_up_at is None


def test_every_errand_has_a_hand():
    assert set(CARRY_OUT) == set(JobKind)


def test_the_clocks_nest():
    one_mail = 30  # the mailer's deadline
    assert one_mail < LEASE.total_seconds()
    assert tasks.RUN_TIME + one_mail < TASK_LIMIT < VISIBILITY_TIMEOUT


def test_a_process_that_ends_rings_the_bells_of_its_last_job_too(monkeypatch):
    done = []

    class LastJob:
        def stop(self):
            done.append("its last job ends")

    monkeypatch.setattr(tasks, "sweeper", LastJob)
    monkeypatch.setattr(celery_app._ringer, "finish", lambda _within: not done.append("bells ring"))
    celery_app.process_ends.send(sender=None)
    assert done == ["its last job ends", "bells ring"]
