"""Fresh jobs are reserved together, begun one by one, and given back as they were."""

from uuid import uuid4

import pytest

from identity.core import leases, outbox, reservations
from identity.core.outbox import LEASE, Job, JobKind, Lane
from identity.core.reservations import BEGINNING, facts_of
from tests.worlds.services import *


@pytest.fixture
def reserve(services, clock):
    def reserve(limit=10):
        with services.database.transaction() as session:
            return list(reservations.reserve(session, clock(), Lane.URGENT, {JobKind.MAIL: limit}))

    return reserve


@pytest.fixture
def enqueue(services, clock):
    def enqueue(*kinds):
        for kind in kinds:
            with services.database.transaction() as session:
                outbox.enqueue(session, kind, uuid4(), clock(), lane=Lane.URGENT)
            clock.advance(seconds=1)

    return enqueue


def stored(services):
    with services.database.reading() as session:
        return {job.id: job for job in session.query(Job)}


def begin(services, clock, job):
    with services.database.transaction() as session:
        return reservations.begin(session, clock(), job)


def test_a_reservation_is_no_attempt_and_leaves_no_mark_when_it_ends(
    services, clock, enqueue, reserve
):
    enqueue(JobKind.MAIL, JobKind.MAIL)
    before = {job.id: job.due_at for job in stored(services).values()}
    jobs = reserve()
    assert {job.id for job in jobs} == before.keys()
    assert reserve() == [], "nobody else gets them"
    with services.database.transaction() as session:
        assert leases.lease_next(session, clock(), Lane.URGENT) is None
        assert reservations.give_back(session, jobs) == 2
    after = stored(services).values()
    assert {job.id: job.due_at for job in after} == before
    assert {(job.attempts, job.uncertain) for job in after} == {(0, 0)}


def test_nothing_overtakes_an_older_job_of_another_kind(services, enqueue, reserve):
    enqueue(JobKind.MAIL, JobKind.ONBIND, JobKind.MAIL)
    (first,) = reserve()
    assert first.kind == JobKind.MAIL
    assert reserve() == [], "the other job is next"


def test_an_attempt_begins_once_and_counts_from_then(services, clock, enqueue, reserve):
    enqueue(JobKind.MAIL)
    (job,) = reserve()
    (again,) = stored(services).values()
    clock.advance(seconds=5)
    assert begin(services, clock, job)
    assert not begin(services, clock, again), "it was begun meanwhile"
    (row,) = stored(services).values()
    assert (row.attempts, row.uncertain, row.due_at) == (1, 1, clock() + LEASE)
    assert (job.attempts, job.uncertain, job.due_at) == (1, 1, clock() + LEASE)
    with services.database.transaction() as session:
        assert reservations.give_back(session, [again]) == 0
        assert reservations.settle(session, clock(), [job]) == {job.id}
        assert reservations.settle(session, clock(), [job]) == set()
    (row,) = stored(services).values()
    assert (row.done_at, row.uncertain) == (clock(), 0)


def test_who_was_too_slow_neither_begins_nor_gives_back(services, clock, enqueue, reserve):
    """The reservation ended, and another worker has leased the job."""
    enqueue(JobKind.MAIL)
    (slow,) = reserve()
    clock.advance(seconds=LEASE.total_seconds())
    with services.database.transaction() as session:
        assert leases.lease_next(session, clock(), Lane.URGENT).id == slow.id
    assert not begin(services, clock, slow)
    with services.database.transaction() as session:
        assert reservations.give_back(session, [slow]) == 0


def test_a_job_of_which_a_worker_may_have_died_is_leased_alone(services, clock, enqueue, reserve):
    enqueue(JobKind.MAIL)
    reserve()
    clock.advance(seconds=LEASE.total_seconds())
    assert reserve() == []
    with services.database.transaction() as session:
        alone = leases.lease_next(session, clock(), Lane.URGENT)
    assert (alone.attempts, alone.uncertain) == (1, 1)


def test_a_job_that_an_operator_retries_meanwhile_is_not_begun_by_its_first_worker(
    services, clock, enqueue, reserve
):
    enqueue(JobKind.MAIL)
    (job,) = reserve()
    clock.advance(seconds=1)
    with services.database.transaction() as session:
        assert outbox.retry(session, job.subject_id, clock()) == 1
    assert not begin(services, clock, job)


def test_a_condition_that_does_not_hold_leaves_the_job_reserved(services, clock, enqueue, reserve):
    enqueue(JobKind.MAIL)
    (job,) = reserve()
    with services.database.transaction() as session:
        refused = BEGINNING.where(Job.lane == Lane.BULK).returning(Job.id)
        assert session.scalar(refused, facts_of(job, clock())) is None
    assert begin(services, clock, job)
