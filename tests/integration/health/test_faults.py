"""What is wrong with processes, timetable and mails is named within a minute, with what mends it."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, update

from identity.core import continuity, leases, nodes, outbox, timetable_runs
from identity.core.journal import Actor
from identity.core.nodes import Node, NodeFault, NodeKind, NodeReport
from identity.core.outbox import Job, JobKind, Lane
from identity.core.timetable_runs import MAX_SILENCE, TimetableTask
from identity.health.faults import find_faults
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.outcomes import Outcome
from identity.mail.quota import Template
from identity.restore import service as restoring
from identity.routing.models import RuleRevision
from tests.worlds.services import *
from workers import celery_app, tasks

KEYS = {"link": ["aaaa"], "storage": ["bbbb"], "public": ["cccc"]}
WELL = [
    NodeReport("w", kind=NodeKind.WEB, host="one", version="0.2.0", rules_revision=1, keys=KEYS),
    NodeReport("i", kind=NodeKind.INTERNAL, host="one", version="0.2.0", keys=KEYS),
    NodeReport(
        "k", kind=NodeKind.WORKER, host="two", version="0.2.0", keys={**KEYS, "homeserver": ["c"]}
    ),
    NodeReport("s", kind=NodeKind.SCHEDULER, host="two", version="0.2.0", keys=KEYS),
]


@pytest.fixture
def beat(services, clock):
    """Only these processes report themselves, at this moment."""

    def beat(*reports: NodeReport) -> None:
        with services.database.transaction() as session:
            session.execute(delete(Node))
            for report in reports:
                nodes.record_heartbeat(session, clock(), report)

    beat(*WELL)
    return beat


@pytest.fixture
def found(services, clock, beat):
    """The faults by name, each with what is told and what mends it."""

    def found() -> dict[str, str]:
        with services.database.reading() as session:
            faults = list(find_faults(session, clock()))
        assert all(fault.told and fault.fix for fault in faults)
        return {fault.name.value: f"{fault.told}. {fault.fix}" for fault in faults}

    return found


def changed(kind: NodeKind, **facts) -> list[NodeReport]:
    return [replace(each, **facts) if each.kind is kind else each for each in WELL]


def test_where_all_is_well_nothing_is_told(found):
    assert found() == {}


def test_jobs_that_are_held_are_told_with_the_reason_and_what_to_do(found, services, clock):
    with services.database.transaction() as session:
        row = continuity.find(session)
        row.held_since, row.held_why = clock(), continuity.WENT_BACK
    assert list(found()) == ["held"]
    assert "was a backup loaded? guichet restore begin" in found()["held"].replace(". ", " ")


def test_a_module_that_knows_more_than_the_database_is_told_until_it_is_dealt_with(
    found, services, clock
):
    with services.database.transaction() as session:
        continuity.record_module_ahead(session, clock(), "education.example")
    assert list(found()) == ["went_back"]
    assert "education.example" in found()["went_back"]
    assert "guichet restore dismiss" in found()["went_back"]
    with services.database.transaction() as session:
        restoring.dismiss(session, clock(), Actor("olga", "here"))
    assert found() == {}


def test_a_database_without_its_row_is_told(found, services):
    with services.database.transaction() as session:
        session.delete(continuity.find(session))
    assert "being loaded" in found()["held"]


@pytest.mark.parametrize("kind", [NodeKind.WORKER, NodeKind.SCHEDULER])
def test_a_missing_process_is_told_within_half_a_minute(found, beat, clock, kind):
    beat(*(each for each in WELL if each.kind is not kind))
    assert list(found()) == [kind.value]
    assert "celery -A workers" in found()[kind.value]
    beat(*WELL)
    clock.advance(seconds=31)
    assert {"worker", "scheduler"} <= set(found())


@pytest.mark.parametrize(
    ("kind", "keys", "named"),
    [
        (NodeKind.WEB, {**KEYS, "link": ["aaaa", "dddd"]}, "link"),
        (NodeKind.SCHEDULER, {**KEYS, "storage": ["dddd"]}, "storage"),
        (NodeKind.INTERNAL, {**KEYS, "public": ["dddd"]}, "public"),
    ],
)
def test_unequal_keys_are_told(found, beat, kind, keys, named):
    beat(*changed(kind, keys=keys))
    assert list(found()) == ["keys"]
    assert f"the {named} keys" in found()["keys"]


def test_the_order_of_keys_counts(found, beat):
    both = {**KEYS, "link": ["aaaa", "dddd"]}
    beat(*(replace(each, keys=both) for each in WELL))
    assert found() == {}
    beat(*(replace(each, keys=both) for each in changed(NodeKind.WEB)[1:]), WELL[0])
    assert list(found()) == ["keys"]


def test_workers_of_the_version_before_lack_nothing_but_their_version(found, beat):
    beat(*WELL, NodeReport("old:1:a", key_ids=["c"]))
    assert list(found()) == ["versions"]
    assert "0.1.0, 0.2.0" in found()["versions"]


def test_a_clock_that_differs_is_told_with_its_machine(found, beat):
    beat(*changed(NodeKind.WORKER, offset=timedelta(seconds=2)))
    assert found() == {}
    beat(*changed(NodeKind.WORKER, offset=timedelta(seconds=-20.5)))
    assert list(found()) == ["clock"]
    assert "two differs from the database's by up to -20.5 s" in found()["clock"]


def test_a_disk_that_takes_nothing_is_told(found, beat):
    beat(*changed(NodeKind.WEB, faults=[NodeFault.DATA_FOLDER]))
    assert list(found()) == ["disk"]
    assert "GUICHET_DATA_DIR cannot be written on one" in found()["disk"]


def test_a_broker_that_takes_nothing_is_told_with_who_says_so(found, beat):
    beat(*changed(NodeKind.WORKER, faults=[NodeFault.DATA_FOLDER, NodeFault.BROKER]))
    assert set(found()) == {"disk", "broker"}
    assert (
        "the broker takes nothing from two: jobs begin up to 15 seconds later" in found()["broker"]
    )


def test_a_process_with_old_rules_is_told_once_it_should_have_new_ones(
    found, beat, services, clock
):
    with services.database.transaction() as session:
        facts = {"based_on": 1, "author": "olga", "reason": "", "summary": ""}
        session.add(RuleRevision(number=2, published_at=clock(), **facts))
    assert found() == {}  # published this moment
    clock.advance(seconds=6)
    beat(*WELL)
    assert list(found()) == ["old_rules"]
    beat(*changed(NodeKind.WEB, rules_revision=2))
    assert found() == {}


@pytest.mark.parametrize("task", list(TimetableTask))
def test_a_task_that_never_ran_or_stopped_running_is_told(found, beat, services, clock, task):
    def run(error=""):
        with services.database.transaction() as session:
            timetable_runs.record_run(
                session, task, began_at=clock(), ended_at=clock(), error=error
            )

    with services.database.transaction() as session:
        timetable_runs.expect(session, clock(), TimetableTask)
    late = f"{task} has not run since"
    clock.advance(seconds=MAX_SILENCE[task].total_seconds())
    assert late not in all_told(services, clock)
    clock.advance(seconds=1)
    beat(*WELL)
    assert late in found()["timetable"] + all_told(services, clock)
    run()
    assert late not in all_told(services, clock)
    clock.advance(seconds=MAX_SILENCE[task].total_seconds() + 1)
    assert late in all_told(services, clock)
    run("DataError")
    run("DataError")
    assert f"{task} failed 2 times in a row: DataError" in all_told(services, clock)
    run()
    assert f"{task} failed" not in all_told(services, clock)


def all_told(services, clock) -> str:
    with services.database.reading() as session:
        return " ".join(fault.told for fault in find_faults(session, clock()))


def test_scheduler_and_sweep_have_each_of_these_tasks():
    names = {entry["task"] for entry in celery_app.app.conf.beat_schedule.values()}
    names.add(tasks.empty_passwords.name)  # of the worker's own sweep
    assert {f"workers.tasks.{task}" for task in TimetableTask} <= names
    assert set(MAX_SILENCE) == set(TimetableTask)


def test_a_relay_that_takes_no_mail_is_told_before_its_jobs_are_late(found, services, clock):
    with services.database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
        job = leases.lease_next(session, clock(), Lane.URGENT)
        later = clock() + timedelta(minutes=5)
        leases.postpone(session, job, later, f"{Outcome.RELAY_DOWN}: 421 not now")
    clock.advance(seconds=5)
    assert list(found()) == ["relay"]
    assert "421 not now" in found()["relay"]


def test_a_job_that_waits_too_long_is_told(found, beat, services, clock):
    with services.database.transaction() as session:
        outbox.enqueue(session, JobKind.ONBIND, uuid.uuid4(), clock(), lane=Lane.BULK)
    clock.advance(minutes=10, seconds=1)
    beat(*WELL)
    assert list(found()) == ["outbox"]


@pytest.fixture
def end_mails(services, clock):
    """So many mails end with this outcome; none: they were handed over."""

    def end_mails(count: int, outcome: Outcome | None = None) -> None:
        with services.database.transaction() as session:
            for number in range(count):
                mail = mails.order(
                    session,
                    clock(),
                    template=Template.WELCOME,
                    address=f"p{number}@asso.example",
                    language="fr",
                    subject_id=uuid.uuid4(),
                )
                mail.state = MailState.REFUSED if outcome else MailState.HANDED
                mail.outcome, mail.ended_at = outcome, clock.advance(milliseconds=1)
            session.execute(update(Job).values(done_at=clock()))

    return end_mails


def test_mails_that_are_all_refused_as_spam_are_told(found, end_mails):
    end_mails(20)
    assert found() == {}
    end_mails(4, Outcome.BLOCKED)
    assert found() == {}  # four of twenty
    end_mails(14, Outcome.BLOCKED)
    assert list(found()) == ["mails"]
    assert "18 of the last 20 mails were refused, most as blocked" in found()["mails"]
    end_mails(6)
    assert found() == {}


def test_few_mails_and_mailboxes_that_do_not_exist_show_nothing(found, end_mails, clock, beat):
    end_mails(4, Outcome.BLOCKED)
    assert found() == {}
    end_mails(1, Outcome.REFUSED)
    assert list(found()) == ["mails"]
    clock.advance(hours=1)
    beat(*WELL)
    assert found() == {}
    end_mails(20, Outcome.NO_MAILBOX)
    assert found() == {}


def test_the_answer_costs_as_much_with_many_rows(found, services, clock):
    """Every statement that could meet many rows ends at a limit, or uses an index of few rows."""
    statements = []

    def note(_connection, _cursor, statement, parameters, *_):
        statements.append((" ".join(statement.split()), parameters))

    event.listen(services.database.engine, "before_cursor_execute", note)
    found()
    big = [each for each in statements if " FROM outbox" in each[0] or " FROM mails" in each[0]]
    assert len(big) == 2
    assert all(" LIMIT " in statement for statement, _ in big)
    with services.database.reading() as session:
        if session.get_bind().dialect.name == "sqlite":
            for statement, parameters in big:
                explained = session.connection().exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
                plan = " ".join(str(row) for row in explained)
                assert "USING INDEX ix_" in plan
                assert "TEMP B-TREE" not in plan


def test_a_renewal_of_keys_is_no_failure_while_all_understand_one_another(
    services, found, beat, clock
):
    staged = {**KEYS, "link": ["dddd", "aaaa"]}
    beat(*changed(NodeKind.WEB, keys=staged))
    assert "the link keys are being renewed" in found()["keys"]
    active = {**KEYS, "link": ["aaaa", "dddd"]}
    beat(*changed(NodeKind.WEB, keys=active))
    assert "the link keys of the processes differ" in found()["keys"]
    with services.database.reading() as session:
        assert [fault.is_failure for fault in find_faults(session, clock())] == [True]
