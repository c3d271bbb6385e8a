"""One id follows what began with one request, into rows and jobs; nothing else does."""

import uuid

import pytest

from identity.core import journal, leases, outbox, tracing
from identity.core.journal import Actor
from identity.core.outbox import Job, JobKind, Lane


@pytest.fixture(autouse=True)
def nothing_is_under_way():
    with tracing.job(None):
        yield


def enqueued(database, clock) -> str | None:
    subject = uuid.uuid4()
    with database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, subject, clock(), lane=Lane.URGENT)
    with database.reading() as session:
        return outbox.find_by_subject(session, subject).trace_id


def test_a_job_carries_the_id_of_the_request_that_ordered_it(database, clock):
    tracing.begin_request("a-request")
    assert enqueued(database, clock) == "a-request"
    tracing.begin_request("another-one")
    assert enqueued(database, clock) == "another-one"


def test_a_job_ordered_by_a_job_carries_the_id_with_which_all_began(database, clock):
    tracing.begin_request("left-over")
    with tracing.job("the-first"):
        assert enqueued(database, clock) == "the-first"
        assert tracing.request_id() is None
    assert tracing.trace_id() == "left-over"


def test_a_later_request_goes_on_under_the_first_id(database, clock):
    tracing.begin_request("the-second")
    tracing.follow("the-first")
    assert tracing.request_id() == "the-second"
    assert enqueued(database, clock) == "the-first"
    tracing.follow(None)  # a row of an earlier version has none
    assert enqueued(database, clock) == "the-first"


def test_what_nobody_asked_for_has_no_id(database, clock):
    assert enqueued(database, clock) is None


def test_the_journal_names_the_request_and_its_chain_holds(database, clock):
    tracing.begin_request("a-request")
    with database.transaction() as session:
        who = Actor("olga", "here")
        row = journal.write(session, clock(), who, action="a.b", subject="c", facts={})
        assert row.request_id == "a-request"
    with database.reading() as session:
        assert journal.verify(session).fault is None


def test_facts_belong_to_one_request():
    tracing.begin_request("the-first")
    tracing.note(address="0123456789abcdef")
    assert tracing.facts() == {"address": "0123456789abcdef"}
    tracing.begin_request("the-second")
    assert tracing.facts() == {}


def test_rows_of_the_running_version_have_no_id(database, clock):
    """It knows no such column: the row is written without it."""
    with database.transaction() as session:
        session.execute(
            Job.__table__.insert().values(
                id=uuid.uuid4(),
                errand="mail",
                lane="urgent",
                subject_id=uuid.uuid4(),
                created_at=clock(),
                due_at=clock(),
                attempts=0,
                trace_id=None,
            )
        )
        job = leases.lease_next(session, clock(), Lane.URGENT)
    assert job.trace_id is None


@pytest.mark.parametrize("given", ["0123456789abcdef" * 2, "a-b-c-d-e", "A" * 64])
def test_ids_of_proxies_are_well_formed(given):
    assert tracing.WELL_FORMED.fullmatch(given)
    assert tracing.WELL_FORMED.fullmatch(tracing.new_id())


@pytest.mark.parametrize(
    "given",
    ["", "short", "a" * 65, "ana@example.org", "a.b.c.d.e", "/v/abcdefgh", "a b c d e f", "é" * 10],
)
def test_what_could_be_something_else_is_no_id(given):
    assert not tracing.WELL_FORMED.fullmatch(given)
