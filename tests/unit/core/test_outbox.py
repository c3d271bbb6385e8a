"""Nothing is lost, nothing is done by two at once."""

import threading
import uuid
from collections import Counter
from datetime import timedelta

import pytest

from identity.core import leases, outbox, waiting_jobs
from identity.core.outbox import LEASE, JobKind, Lane


def put(database, clock, lane=Lane.URGENT):
    subject = uuid.uuid4()
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=lane)
    return subject


def lease(database, clock, lane=Lane.URGENT):
    with database.transaction() as session:
        return leases.lease_next(session, clock(), lane)


def test_what_is_put_is_leased_once_until_the_lease_ends(database, clock):
    subject = put(database, clock)
    first = lease(database, clock)
    assert (first.subject_id, first.attempts) == (subject, 1)
    assert lease(database, clock) is None
    clock.advance(seconds=LEASE.total_seconds())
    again = lease(database, clock)
    assert (again.subject_id, again.attempts) == (subject, 2)


def test_a_worker_slower_than_its_lease_does_not_overwrite_the_next_one(database, clock):
    put(database, clock)
    slow = lease(database, clock)
    clock.advance(seconds=LEASE.total_seconds())
    quick = lease(database, clock)
    with database.transaction() as session:
        assert not leases.settle(session, slow, clock())
        assert leases.settle(session, quick, clock())
        assert not leases.give_up(session, quick, clock(), "too late")


def test_attempts_whose_end_nobody_knows_are_counted(database, clock):
    subject = put(database, clock)

    def uncertain():
        with database.reading() as session:
            return outbox.find_by_subject(session, subject).uncertain

    def end(close, *args, **facts):
        with database.transaction() as session:
            return close(session, entry, clock(), *args, **facts)

    entry = lease(database, clock)
    assert uncertain() == 1  # under way
    assert end(leases.postpone, "greylisted")
    assert uncertain() == 0
    entry = lease(database, clock)
    assert end(leases.postpone, "no answer", is_uncertain=True)
    assert uncertain() == 1
    slow = entry = lease(database, clock)
    clock.advance(seconds=LEASE.total_seconds())
    entry = lease(database, clock)
    assert uncertain() == 3
    assert end(leases.settle)
    assert uncertain() == 2  # the lost answer, and the worker that was too slow
    entry = slow
    assert not end(leases.settle)
    assert uncertain() == 2


def test_a_postponed_entry_is_due_at_its_time_and_says_why(database, clock):
    subject = put(database, clock)
    entry = lease(database, clock)
    with database.transaction() as session:
        leases.postpone(session, entry, clock() + timedelta(minutes=5), "greylisted")
    clock.advance(minutes=4)
    assert lease(database, clock) is None
    clock.advance(minutes=1)
    assert lease(database, clock).last_error == "greylisted"
    with database.reading() as session:
        assert outbox.find_by_subject(session, subject).attempts == 2


def test_given_up_work_stays_to_be_seen_and_can_be_retried(database, clock):
    subject = put(database, clock)
    entry = lease(database, clock)
    with database.transaction() as session:
        leases.give_up(session, entry, clock(), "no such mailbox")
        assert waiting_jobs.depth_by_lane(session, clock()) == {}
    assert lease(database, clock) is None
    with database.transaction() as session:
        assert outbox.retry(session, subject, clock()) == 1
    assert lease(database, clock).subject_id == subject


def test_lanes_do_not_wait_for_one_another(database, clock):
    bulk = put(database, clock, Lane.BULK)
    assert lease(database, clock, Lane.URGENT) is None
    assert lease(database, clock, Lane.BULK).subject_id == bulk


def test_a_rollback_writes_nothing_and_wakes_nobody(database, clock):
    rung = []
    database.wake_outbox = rung.append

    def write_and_fail():
        with database.transaction() as session:
            outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert rung == []
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.BULK)
        session.flush()
        session.rollback()  # what was tried, to look at
    assert rung == []
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
        session.flush()
        session.begin_nested().rollback()  # a savepoint alone
    assert rung == [{"urgent"}]


@pytest.mark.slow
def test_of_many_at_once_each_entry_is_leased_by_one(database, clock):
    subjects = {put(database, clock) for _ in range(60)}
    taken: list[uuid.UUID] = []

    def work():
        while (entry := lease(database, clock)) is not None:
            taken.append(entry.subject_id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # SKIP LOCKED may let a thread see nothing for a moment; what it passed over is still there.
    work()
    assert Counter(taken) == Counter(subjects)


def test_what_is_ordered_for_later_is_due_then_and_nobody_waits_for_it_before(database, clock):
    subject, later = uuid.uuid4(), clock() + timedelta(hours=1)
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT, due_at=later)
        assert leases.next_due(session, Lane.URGENT) == later
        assert leases.next_due(session, Lane.BULK) is None
        assert waiting_jobs.depth_by_lane(session, clock()) == {}
    assert lease(database, clock) is None
    clock.advance(hours=1)
    with database.reading() as session:
        assert waiting_jobs.depth_by_lane(session, clock()) == {"urgent": (1, later)}
    assert lease(database, clock).subject_id == subject


def test_what_was_due_before_it_was_ordered_is_due_at_once(database, clock):
    subject, before = uuid.uuid4(), clock() - timedelta(hours=1)
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT, due_at=before)
        assert leases.next_due(session, Lane.URGENT) == clock()
    assert lease(database, clock).subject_id == subject


@pytest.mark.slow
def test_what_is_leased_at_that_moment_is_not_brought_forward(database, clock):
    """Else two workers would have it, and a mail would leave twice."""
    subject = put(database, clock)
    before = clock()

    def bring_forward():
        sooner = before - timedelta(seconds=1)
        with database.transaction() as session:
            outbox.bring_forward(
                session, JobKind.MAIL, subject, lane=Lane.URGENT, before=before, to=sooner
            )

    other = threading.Thread(target=bring_forward)
    with database.transaction() as session:
        leased = leases.lease_next(session, clock(), Lane.URGENT)
        other.start()
        other.join(timeout=0.3)  # it waits for this transaction
    other.join()
    assert leased.subject_id == subject
    assert lease(database, clock) is None


def test_what_is_brought_forward_may_change_its_lane(database, clock):
    subject = put(database, clock, Lane.BULK)
    with database.transaction() as session:
        outbox.bring_forward(
            session, JobKind.MAIL, subject, lane=Lane.NORMAL, before=clock(), to=clock()
        )
        assert session.info["lanes"] == {"normal"}
    assert lease(database, clock, Lane.BULK) is None
    assert lease(database, clock, Lane.NORMAL).subject_id == subject


def test_who_is_due_longest_is_leased_first_however_it_was_written(database, clock):
    late, early, middle = (uuid.uuid4() for _ in range(3))
    with database.transaction() as session:
        for subject, minutes in ((late, 9), (early, 1), (middle, 5)):
            due_at = clock() + timedelta(minutes=minutes)
            outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT, due_at=due_at)
    clock.advance(minutes=10)
    assert [lease(database, clock).subject_id for _ in range(3)] == [early, middle, late]


def test_what_went_wrong_before_is_forgotten_once_it_is_done(database, clock):
    subject = put(database, clock)
    with database.transaction() as session:
        leases.postpone(session, leases.lease_next(session, clock(), Lane.URGENT), clock(), "away")
    job = lease(database, clock)
    assert job.last_error == "away"
    with database.transaction() as session:
        assert leases.settle(session, job, clock())
    with database.reading() as session:
        done = outbox.find_by_subject(session, subject)
        assert (done.done_at, done.last_error) == (clock(), None)


def test_what_is_done_is_not_tried_again_and_not_counted(database, clock):
    subject = put(database, clock)
    job = lease(database, clock)
    with database.transaction() as session:
        leases.settle(session, job, clock())
        outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT)
    with database.transaction() as session:
        assert outbox.retry(session, subject, clock()) == 1
    assert lease(database, clock).id != job.id
    assert lease(database, clock) is None
