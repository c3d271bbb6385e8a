"""Mails leave in batches: nothing is lost, doubled or held back that would not be one by one."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from domain_rules.addresses import EmailAddress
from identity.accounts import verified_addresses
from identity.bulk_invites import sign_in
from identity.core.journal import Actor
from identity.core.outbox import LEASE, Job, JobKind, Lane
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.invitations import blocks
from identity.mail import cancelling, models as mails, pausing, results
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.quota import Template
from identity.mail.tries import MailTry
from identity.mail_kinds import kind_of
from identity.sign_up import service as sign_up
from identity.threepids import associations
from identity.threepids.validation_sessions import ValidationSession
from tests.worlds.inviting import Inviting
from tests.worlds.services import *
from tests.worlds.statements import statements
from workers import job_batches, tasks

OLGA = Actor("olga", "here", "an incident")
# Of a mail, in a batch of ten: on SQLite the one with which it begins is three.
MOST_STATEMENTS = {"postgresql": 6, "sqlite": 9}
NUMBER = job_batches.MOST


class Killed(BaseException):
    """The worker ends here, as by SIGKILL."""


@pytest.fixture(autouse=True)
def full_pace(monkeypatch):
    monkeypatch.setattr(job_batches.PACES[JobKind.MAIL], "size", NUMBER)


@pytest.fixture
def order_codes(services, clock):
    """Orders codes for the clients of so many people."""

    def order_codes(number=NUMBER, domain="open.example"):
        for count in range(number):
            with services.database.transaction() as session:
                asked = ValidationSession(
                    id=uuid.uuid4(),
                    address=f"p{count}@{domain}",
                    secret_hash="",
                    sealed_secret="",
                    user_id="@zoe:education.example",
                    device="",
                    language="fr",
                    send_attempt=1,
                    created_at=clock(),
                    asked_at=clock(),
                )
                session.add(asked)
                session.flush()
                mails.order(
                    session,
                    clock(),
                    template=Template.CLIENT_VERIFY,
                    address=asked.address,
                    language="fr",
                    subject_id=asked.id,
                )
            clock.advance(seconds=0.001)

    return order_codes


@pytest.fixture
def interrupted(services, postbox):
    """The services of a worker to which something happens when it hands over mails, given by number."""

    def interrupted(at, happens):
        class Interrupted(type(postbox)):
            number = 0

            def send(self, message, **facts):
                self.number += 1
                if self.number in (at if isinstance(at, range) else {at}):
                    happens()
                return postbox.send(message, **facts)

        return replace(services, mailer=Interrupted())

    return interrupted


def run(services, lane=Lane.URGENT, **facts):
    return tasks.run_lane(services, lane, **facts)


def stored(services, kind):
    with services.database.reading() as session:
        return list(session.query(kind))


def states(services):
    return sorted(mail.state for mail in stored(services, Mail))


def count(services, said):
    """How many statements a mail took, in a batch of ten."""
    asked = [text for text, _ in said if text != "BEGIN"]
    return len(asked) / NUMBER, MOST_STATEMENTS[services.database.engine.dialect.name]


def recipients(postbox):
    return [message["To"] for message in postbox.sent]


def raising(error):
    def raises():
        raise error

    return raises


def test_codes_take_few_statements(services, order_codes, postbox, hashes):
    with services.database.transaction() as session:
        hashes.make(session)
    order_codes(2 * NUMBER)
    with statements(services.database.engine) as said:
        run(services)
    assert len(postbox.sent) == 2 * NUMBER
    each, most = count(services, said)
    assert each / 2 <= most
    jobs = stored(services, Job)
    assert {(job.attempts, job.uncertain, bool(job.done_at)) for job in jobs} == {(1, 0, True)}
    ended = [(each.attempt, each.outcome, each.reply) for each in stored(services, MailTry)]
    assert ended == [(1, "handed", "250 2.0.0 queued")] * 2 * NUMBER


def order_sign_ups(services, number):
    for count in range(number):
        with services.database.transaction() as session:
            sign_up.start(
                session,
                services.rules.current(),
                services.now(),
                address=EmailAddress.parse(f"camille{count}@ac-rouen.example"),
                browser=f"browser {count}",
                language="fr",
            )


def order_list_codes(services, number):
    for count in range(number):
        address, user_id = f"zoe{count}@ac-rouen.example", f"@zoe{count}:education.example"
        with services.database.transaction() as session:
            associations.bind(session, services.now(), address=address, user_id=user_id)
            verified_addresses.add(session, services.now(), user_id=user_id, address=address)
            sign_in.request_code(
                session, services.now(), address=EmailAddress.parse(address), language="fr"
            )


@pytest.mark.parametrize("order", [order_sign_ups, order_list_codes])
def test_what_codes_are_written_by_is_read_at_once(services, hashes, postbox, order):
    """The codes, whether they are being guessed, and the requests that they serve."""
    with services.database.transaction() as session:
        hashes.make(session)
    order(services, NUMBER)
    with statements(services.database.engine) as said:
        run(services)
    assert len(postbox.sent) == NUMBER
    read = [text for text, _ in said if text.lstrip().startswith("SELECT")]
    assert sum("FROM one_time_codes" in text for text in read) == 1
    assert sum("FROM code_alarms" in text for text in read) == 1
    assert not any("_requests.id = " in text or "sign_ins.id = " in text for text in read)


def test_invitations_take_few_statements(services, rules, clock, hashes, postbox):
    inviting = Inviting(services.database, rules, clock, hashes)
    stored_ones = [
        inviting.store(f"gil{number}@association.example", room_id=f"!r{number}:education.example")
        for number in range(NUMBER)
    ]
    with services.database.transaction() as session:  # what asks their rooms goes by itself
        session.query(Job).filter(Job.kind != "mail").delete()
    clock.advance(seconds=3)
    with statements(services.database.engine) as said:
        run(services, Lane.NORMAL)
    assert len(postbox.sent) == NUMBER
    each, most = count(services, said)
    assert each <= most
    assert {inviting.where(row) for row in stored_ones} == {"sent"}


def test_of_an_inviter_who_is_blocked_no_mail_leaves_that_was_written_before(
    services, rules, clock, hashes, postbox
):
    """They were written together while the relay was down: one was tried, the others given back."""
    inviting = Inviting(services.database, rules, clock, hashes)
    invited = [
        inviting.store(f"gil{number}@association.example", room_id=f"!r{number}:education.example")
        for number in range(3)
    ]
    clock.advance(seconds=3)
    postbox.failure = NotSent(Outcome.RELAY_DOWN, "timed out")
    run(services, Lane.NORMAL)
    postbox.failure = None
    sender = invited[0].sender
    with services.database.transaction() as session:
        blocks.block(session, clock(), OLGA, sender, hashes=hashes)
    clock.advance(minutes=10)
    run(services, Lane.NORMAL)
    assert postbox.sent == []
    with services.database.transaction() as session:
        assert blocks.unblock(session, clock(), OLGA, sender, hashes=hashes)
    run(services, Lane.NORMAL)
    assert sorted(recipients(postbox)) == [row.address for row in invited]


def test_of_a_worker_that_is_killed_one_mail_is_uncertain_and_none_is_lost(
    services, order_codes, interrupted, postbox, clock
):
    order_codes()
    with pytest.raises(Killed):
        run(interrupted(4, raising(Killed())))
    assert len(postbox.sent) == 3
    begun = [job for job in stored(services, Job) if job.attempts]
    assert len(begun) <= 4
    clock.advance(seconds=LEASE.total_seconds())
    run(services)
    assert sorted(recipients(postbox)) == sorted({*recipients(postbox)})
    assert states(services) == [MailState.HANDED] * NUMBER
    assert sum(job.uncertain for job in stored(services, Job)) == 1


def test_a_relay_that_is_down_leaves_the_others_as_they_were(services, order_codes, postbox, clock):
    order_codes()
    postbox.failure = NotSent(Outcome.RELAY_DOWN, "timed out")
    run(services)
    tried, *others = sorted(stored(services, Job), key=lambda job: -job.attempts)
    assert (tried.attempts, tried.uncertain) == (1, 0)
    assert tried.last_error.startswith("relay_down")
    assert {(job.attempts, job.uncertain) for job in others} == {(0, 0)}
    assert all(job.due_at == job.created_at for job in others)
    assert [each.outcome for each in stored(services, MailTry)] == ["relay_down"]
    postbox.failure = None
    run(services)
    assert len(postbox.sent) == NUMBER - 1


def test_a_mailbox_that_is_refused_is_one_of_many(services, order_codes, interrupted, postbox):
    order_codes()
    run(interrupted(3, raising(NotSent(Outcome.NO_MAILBOX, "550 5.1.1"))))
    assert states(services) == [MailState.HANDED] * (NUMBER - 1) + [MailState.REFUSED]


def test_a_process_that_ends_gives_back_what_it_has_not_begun(
    services, order_codes, interrupted, postbox
):
    order_codes()
    ends = []
    run(interrupted(3, lambda: ends.append(True)), is_ending=lambda: bool(ends))
    assert len(postbox.sent) == 3
    left = [job for job in stored(services, Job) if not job.done_at]
    assert {(job.attempts, job.uncertain, job.due_at == job.created_at) for job in left} == {
        (0, 0, True)
    }
    assert len(left) == NUMBER - 3


def test_a_slow_relay_holds_back_one_mail_at_a_time(
    services, order_codes, interrupted, postbox, monkeypatch
):
    """While one mail takes all the time of a batch, other workers get the rest, from the second on."""
    order_codes()
    monkeypatch.setattr(job_batches, "TIME", 0.0)
    free = []

    def look():
        rows = stored(services, Job)
        free.append(sum(1 for job in rows if job.due_at == job.created_at))

    run(interrupted(range(NUMBER + 1), look))
    assert free == [0, *reversed(range(NUMBER - 1))]
    assert len(postbox.sent) == NUMBER


@pytest.mark.parametrize("how", ["mails", "domain", "pause", "cancelled", "bounced", "erased"])
def test_what_is_stopped_while_a_batch_leaves_goes_no_more(
    services, order_codes, interrupted, postbox, clock, hashes, how
):
    order_codes(3)

    def stop():
        with services.database.transaction() as session:
            now = clock()
            last = session.query(Mail).order_by(Mail.created_at.desc()).first()
            match how:
                case "mails":
                    freezes.freeze(session, now, OLGA, Frozen.MAILS)
                case "domain":
                    freezes.freeze(session, now, OLGA, Frozen.DOMAIN, domain="example")
                case "pause":
                    pausing.pause(session, now, OLGA, kind="", domain="open.example")
                case "cancelled":
                    cancelling.cancel(session, hashes, now, [last], OLGA, kind_of=kind_of)
                case "bounced":
                    last.state = MailState.REFUSED
                case "erased":
                    session.query(Job).filter(Job.subject_id == last.id).delete()
                    session.delete(last)

    run(interrupted(2, stop))
    assert len(postbox.sent) == 2
    if how in {"mails", "domain", "pause"}:
        assert states(services) == [MailState.HANDED] * 2 + [MailState.WAITING]
        with services.database.transaction() as session:
            if how == "pause":
                pausing.resume(session, clock(), OLGA, kind="", domain="open.example")
            else:
                what = Frozen.MAILS if how == "mails" else Frozen.DOMAIN
                freezes.thaw(
                    session, clock(), OLGA, what, domain="example" if how == "domain" else ""
                )
        run(services)
        assert len(postbox.sent) == 3
    assert sum(job.uncertain for job in stored(services, Job)) == 0


def test_a_mailbox_that_somebody_has_locked_holds_back_none_of_the_others(
    services, order_codes, interrupted, postbox
):
    """As an erasure does, which may take long. On SQLite whoever writes is alone."""
    if services.database.engine.dialect.name == "sqlite":
        return
    order_codes()
    with services.database.transaction() as erasing:
        mails.lock_address(erasing, "p4@open.example")
        run(interrupted(1, erasing.rollback))
    others = [f"p{n}@open.example" for n in range(NUMBER) if n != 4]
    assert recipients(postbox) == [*others, "p4@open.example"]


def test_a_frozen_domain_does_not_hold_the_others(services, order_codes, postbox, clock):
    order_codes(3)
    order_codes(2, "closed.example")
    with services.database.transaction() as session:
        freezes.freeze(session, clock(), OLGA, Frozen.DOMAIN, domain="closed.example")
    run(services)
    assert {each.partition("@")[2] for each in recipients(postbox)} == {"open.example"}
    held = [job for job in stored(services, Job) if job.held_by]
    assert [job.held_by for job in held] == ["domain:closed.example"] * 2


def test_two_mails_to_one_mailbox_carry_the_same_limits_as_one_by_one(
    services, order_codes, postbox
):
    order_codes(1)
    order_codes(1)
    run(services)
    assert states(services).count(MailState.HANDED) == len(postbox.sent)
    assert {(job.attempts, job.uncertain) for job in stored(services, Job) if job.done_at} == {
        (1, 0)
    }


def test_a_fault_in_one_mail_holds_back_none_of_the_others(
    services, order_codes, postbox, clock, monkeypatch
):
    order_codes()
    with services.database.transaction() as session:
        broken = session.query(Mail).first()
        broken.language = "xx"  # no text is in this language
    run(services)
    assert len(postbox.sent) == NUMBER - 1
    (left,) = [job for job in stored(services, Job) if not job.done_at]
    assert (left.attempts, left.uncertain, left.last_error) == (1, 0, "MissingText")


def test_a_mail_that_this_version_does_not_know_holds_back_none_of_the_others(
    services, order_codes, postbox
):
    """As while two versions run side by side."""
    order_codes()
    with services.database.transaction() as session:
        session.query(Mail).order_by(Mail.created_at).first().template = "of_a_newer_version"
    run(services)
    assert len(postbox.sent) == NUMBER - 1
    (left,) = [job for job in stored(services, Job) if not job.done_at]
    assert (left.attempts, left.uncertain, left.last_error) == (1, 0, "ValueError")


@pytest.mark.parametrize("which", [0, NUMBER - 1])
def test_what_cannot_be_recorded_of_one_mail_is_recorded_of_the_others_and_none_leaves_twice(
    services, order_codes, postbox, clock, monkeypatch, which
):
    """As while somebody holds its row for longer than a worker waits."""
    order_codes()
    with services.database.reading() as session:
        is_of = session.query(Mail).order_by(Mail.created_at).all()[which].id
    record_all = results.record_all_handed

    def record(session, now, handed, *, kind):
        if is_of in {mail.id for mail, _ in handed}:
            raise OperationalError("update mails", {}, TimeoutError())
        record_all(session, now, handed, kind=kind)

    with monkeypatch.context() as patched:
        patched.setattr(results, "record_all_handed", record)
        with pytest.raises(OperationalError):
            run(services)
    (left,) = [job for job in stored(services, Job) if not job.done_at]
    assert (left.subject_id, left.uncertain) == (is_of, 1)
    clock.advance(seconds=LEASE.total_seconds())
    run(services)
    assert len(postbox.sent) == NUMBER
    assert states(services) == [MailState.HANDED] * NUMBER
    assert {job.uncertain for job in stored(services, Job)} == {0}


def test_a_code_does_not_wait_behind_a_batch_of_another_lane(
    services, order_codes, interrupted, postbox
):
    with services.database.transaction() as session:
        session.query(Job).delete()
    order_codes()
    with services.database.transaction() as session:
        for job in session.query(Job).order_by(Job.created_at).limit(NUMBER - 1):
            job.lane = Lane.BULK
    sent_first = []
    run(interrupted(2, lambda: (run(services), sent_first.extend(recipients(postbox)))), Lane.BULK)
    assert sent_first[-1] == f"p{NUMBER - 1}@open.example"
