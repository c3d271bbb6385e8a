"""Lists of thousands of people: checked and ordered by the worker, in batches and once each."""

import random

import pytest

from domain_rules.bulk_invites.checks import CheckContext, check_rows
from domain_rules.bulk_invites.tables import Row
from identity.bulk_invites import models as bulk_invites, report, service as lists
from identity.bulk_invites.models import BulkInvite, BulkInviteState, Step
from identity.bulk_invites.service import AlreadySent, StillChecking
from identity.core import leases
from identity.core.outbox import Lane
from tests.worlds.bulk_inviters import HERS, desk, service, settings
from tests.worlds.long_lists import (
    BATCH,
    LONG,
    QUOTA,
    confirm,
    jobs_of,
    now_of,
    people,
    rows_of,
    small_batches,
    some_work,
    take,
    work,
)
from tests.worlds.sign_ups import *
from tests.worlds.statements import statements
from workers import tasks

__all__ = ["desk", "service", "settings", "small_batches"]
pytestmark = pytest.mark.usefixtures("small_batches")

JUDGED = ("line", "typed", "address", "mailbox", "outcome", "detail", "caution", "for_guest")
MOST_STATEMENTS = 16  # for a batch of rows, its progress and lease included


def judged(rows):
    return [[getattr(row, name) for name in JUDGED] for row in rows]


def test_a_long_list_is_taken_at_once_and_the_worker_checks_it_like_a_short_one(service):
    text = people(2 * LONG)
    made = take(service, text)
    assert (made.state, made.total, rows_of(service, made)) == ("checking", 2 * LONG, [])
    work(service)
    found = now_of(service, made)
    assert (found.state, found.progress) == (BulkInviteState.CHECKED, 2 * LONG)
    assert (found.ready_guests, found.ready_agents) == (2 * LONG - 3, 0)
    assert judged(rows_of(service, made)) == judged(
        rows_of(service, take(service, text, here=True))
    )
    with service.database.reading() as session:
        assert bulk_invites.columns_of(session, made.id) == []


def test_while_it_is_checked_its_progress_is_stored_and_nothing_else_can_be_done(service):
    made = take(service, people(2 * LONG))
    some_work(service, made, batches=2)  # one of them deletes what there was
    found = now_of(service, made)
    assert (found.state, found.progress) == (BulkInviteState.CHECKING, BATCH)
    with pytest.raises(StillChecking):
        confirm(service, made)
    with pytest.raises(StillChecking), service.database.transaction() as session:
        lists.retry(session, rules_of(service), service.now(), found, quota=QUOTA)


def rules_of(service):
    return service.rules.current()


def test_a_worker_that_died_in_the_middle_leaves_no_row_twice(service):
    made = take(service, people(2 * LONG))
    some_work(service, made, batches=2)
    work(service)
    rows = rows_of(service, made)
    assert [row.place for row in rows] == list(range(2 * LONG))
    confirm(service, made)
    some_work(service, made, batches=1)
    assert now_of(service, made).state == BulkInviteState.ORDERING
    work(service)
    found = now_of(service, made)
    assert (found.state, found.progress) == (BulkInviteState.SENDING, 2 * LONG)
    assert len(jobs_of(service, made)) == 2 * LONG - 3
    assert len({job.subject_id for job in jobs_of(service, made)}) == 2 * LONG - 3


def test_a_batch_takes_a_few_statements_whatever_its_size(service):
    made = take(service, people(4 * BATCH))
    with statements(service.database.engine) as checked:
        work(service)
    confirm(service, made)
    with statements(service.database.engine) as ordered:
        work(service)
    assert len(checked) < 6 * MOST_STATEMENTS
    assert len(ordered) < 6 * MOST_STATEMENTS


def test_rules_that_changed_since_the_check_are_obeyed_when_it_is_ordered(service):
    made = take(service, people(LONG))
    work(service)
    with service.database.transaction() as session:
        (first, *_) = bulk_invites.rows_of(session, made.id)
        first.outcome = "not_accepted"  # as if its domain had been closed when it was checked
    confirm(service, made)
    work(service)
    rows = rows_of(service, made)
    assert (rows[0].outcome, rows[0].step) == ("ready", Step.WAITING)
    assert [row.outcome for row in rows if row.step == Step.NONE] == [
        "your_own",
        "typo",
        "not_an_address",
    ]


def test_a_list_is_done_only_when_all_of_it_was_ordered(service, desk):
    made = take(service, people(2 * LONG))
    work(service)
    confirm(service, made)
    some_work(service, made, batches=1)
    tasks.run_lane(service, Lane.BULK)
    assert len(desk.placed) == BATCH
    assert now_of(service, made).state == BulkInviteState.ORDERING
    work(service)
    tasks.run_lane(service, Lane.BULK)
    assert now_of(service, made).state == BulkInviteState.DONE
    assert len(desk.placed) == 2 * LONG - 3


SPELLINGS = (
    *("lea@asso.example", "LEA@asso.example", "lea+a@asso.example", "l.ea@gmail.com"),
    *("lea@gmail.com", "lea@googlemail.com", "paul@gmial.com", "no address", HERS),
    *("eloise@ac-rouen.example", "contact@ac-rouen.example", "gil@asso.example"),
)


@pytest.mark.parametrize("seed", range(5))
def test_a_corrected_row_leaves_the_list_as_if_it_had_been_checked_whole(service, seed):
    chosen = random.Random(seed)
    typed = [chosen.choice(SPELLINGS) for _ in range(12)]
    made = take(service, "Adresse\n" + "\n".join(typed))
    for _ in range(8):
        row = chosen.choice(rows_of(service, made))
        with service.database.transaction() as session:
            found = session.get_one(BulkInvite, made.id)
            change = chosen.choice((correct, keep))
            change(service, session, found, row, chosen.choice(SPELLINGS))
        rows = rows_of(service, made)
        texts = [Row(each.line, each.typed, each.kept, each.aside) for each in rows]
        around = CheckContext(own={HERS}, exists=lambda domain: domain == "gmail.com")
        whole = check_rows(rules_of(service), texts, around)
        told = [(each.outcome, each.detail, each.caution, each.for_guest) for each in whole]
        assert [(row.outcome, row.detail, row.caution, row.for_guest) for row in rows] == told
        ready = sum(each.outcome == "ready" for each in whole)
        with service.database.reading() as session:
            assert report.counts_of(session, now_of(service, made)).ready == ready


def correct(service, session, made, row, text):
    lists.correct_row(session, rules_of(service), service.now(), made, row.id, text=text)


def keep(service, session, made, row, _text):
    lists.accept_as_typed(session, rules_of(service), service.now(), made, row.id)


def test_to_correct_a_row_costs_the_same_in_a_long_list(service):
    costs = []
    for text in (people(10), people(2 * LONG)):
        made = take(service, text, here=True)
        row = rows_of(service, made)[5]
        with (
            service.database.transaction() as session,
            statements(service.database.engine) as sent,
        ):
            correct(service, session, session.get_one(BulkInvite, made.id), row, "b@asso.example")
        costs.append(len(sent))
    assert costs[0] == costs[1]


def test_a_stopped_list_sends_no_more_and_goes_on_when_its_owner_says_so(service, desk):
    made = take(service, people(LONG))
    work(service)
    confirm(service, made)
    work(service)
    with service.database.transaction() as session:  # a worker is sending one just now
        begun = jobs_of(service, made)[0].subject_id
        job = leases.lease_next(session, service.now(), Lane.BULK)
        begun = job.subject_id
        lists.stop(session, service.now(), session.get_one(BulkInvite, made.id))
    assert now_of(service, made).state == BulkInviteState.STOPPING
    work(service)
    assert now_of(service, made).state == BulkInviteState.SENDING  # until that one is through
    assert [each.subject_id for each in jobs_of(service, made)] == [begun]
    tasks.carry_out(service, job)
    found = now_of(service, made)
    assert (found.state, len(desk.placed)) == (BulkInviteState.DONE, 1)
    why = {row.why for row in rows_of(service, made) if row.step == Step.FAILED}
    assert why == {"stopped"}
    with service.database.transaction() as session:
        found = session.get_one(BulkInvite, made.id)
        rules = rules_of(service)
        assert lists.retry(session, rules, service.now(), found, quota=QUOTA) == LONG - 4
    work(service)
    tasks.run_lane(service, Lane.BULK)
    assert len({address for _, address in desk.placed}) == len(desk.placed) == LONG - 3


@pytest.mark.parametrize("batches", [0, 1])
def test_stopped_while_it_is_ordered_the_rest_fails_until_it_is_retried(service, desk, batches):
    made = take(service, people(2 * LONG))
    work(service)
    confirm(service, made)
    some_work(service, made, batches=batches)
    tasks.run_lane(service, Lane.BULK)  # none of those that were ordered is left to be stopped
    with service.database.transaction() as session:
        lists.stop(session, service.now(), session.get_one(BulkInvite, made.id))
    work(service)
    found = now_of(service, made)
    assert (found.state, jobs_of(service, made)) == (BulkInviteState.DONE, [])
    assert found.progress == found.total - 3 - batches * BATCH
    with pytest.raises(AlreadySent):
        confirm(service, made)
    with service.database.transaction() as session:
        found = session.get_one(BulkInvite, made.id)
        assert report.counts_of(session, found).unsent == 3  # the page offers to retry the others
        rules = rules_of(service)
        count = lists.retry(session, rules, service.now(), found, quota=QUOTA)
        assert count == 2 * LONG - 3 - batches * BATCH
    work(service)
    tasks.run_lane(service, Lane.BULK)
    assert len(desk.placed) == 2 * LONG - 3
