"""/metrics: what the database holds, at a cost that does not grow; without a database, that it is away."""

import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, insert, text, update

from identity.app import create_app
from identity.core import continuity, leases, nodes, timetable_runs
from identity.core.continuity import Installation
from identity.core.database import Database, make_engine
from identity.core.journal import Actor
from identity.core.nodes import Node, NodeKind, NodeReport
from identity.core.outbox import Job, JobKind, Lane
from identity.core.timetable_runs import TimetableTask
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.health import measured
from identity.health.measured import MOST, DatabaseMetrics
from identity.homeservers import breakers
from identity.homeservers.breakers import Interface
from identity.homeservers.models import Homeserver
from identity.invitations.models import Awaits, Delivery, State
from identity.mail.outcomes import Outcome
from identity.restore import service as restoring
from tests.worlds.api import *

OLGA = Actor("olga", "here", "the disk died")
FAR_AWAY = {"REMOTE_ADDR": "203.0.113.5"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """Both: the statements are written for each."""
    return request.getfixturevalue(f"{request.param}_url")


def put(database, clock, count: int, lane=Lane.URGENT, kind=JobKind.MAIL, **at: float) -> None:
    """So many jobs at once, due at this time."""
    due_at = clock() + timedelta(**at)
    rows = [
        {
            "id": uuid.uuid4(),
            "kind": kind,
            "lane": lane,
            "subject_id": uuid.uuid4(),
            "created_at": due_at,
            "due_at": due_at,
        }
        for _ in range(count)
    ]
    with database.transaction() as session:
        session.execute(insert(Job), rows)


def shown(client, **how) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", **how)
    assert answer.status_code == 200, answer.data
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(value for _name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.get_data(as_text=True))
        for sample in family.samples
    }


def depth(found, lane: str, kind: str = "mail") -> tuple[float | None, float | None]:
    names = ("guichet_outbox_jobs", "guichet_outbox_oldest_overdue_seconds")
    return tuple(found.get((name, kind, lane)) for name in names)


def test_jobs_count_by_lane_and_kind_and_only_what_is_due_is_overdue(internal, services, clock):
    put(services.database, clock, 3, seconds=-90)
    put(services.database, clock, 1, seconds=-30)
    put(services.database, clock, 2, lane=Lane.NORMAL, minutes=5)
    put(services.database, clock, 1, lane=Lane.BULK, kind=JobKind.LIST_ROW, seconds=-10)
    found = shown(internal)
    assert found[("guichet_database_up",)] == 1
    assert depth(found, "urgent") == (4, 90)
    assert depth(found, "normal") == (2, 0)
    assert depth(found, "bulk", "list_row") == (1, 10)
    assert depth(found, "accounts") == (None, None)


def test_what_a_worker_has_leased_or_done_is_not_overdue(internal, services, clock):
    put(services.database, clock, 2, seconds=-90)
    with services.database.transaction() as session:
        first = leases.lease_next(session, clock(), Lane.URGENT)
        leases.settle(session, first, clock())
        leases.lease_next(session, clock(), Lane.URGENT)
    assert depth(shown(internal), "urgent") == (1, 0)


def test_counting_stops_at_the_limit_and_the_oldest_is_found_all_the_same(
    internal, services, clock
):
    put(services.database, clock, MOST + 50, seconds=-5)
    put(services.database, clock, 1, seconds=-7200)
    assert depth(shown(internal), "urgent") == (MOST, 7200)


def test_invitations_and_deliveries_count_by_their_state(internal, services, invite, clock):
    def made(number: int, **facts) -> None:
        for each in range(number):
            name = f"{facts} {each}"
            invite(token=name, public_key=name, **facts)

    made(2, state=State.SENT)
    made(1, state=State.SENT, expires_at=clock() - timedelta(days=1))
    made(1, state=State.ACCEPTED, delivery=Delivery.DEAD)
    made(1, state=State.DELIVERED, delivery=Delivery.DELIVERED)
    made(1, awaits=Awaits.REPORT, created_at=clock() - timedelta(hours=1))
    found = shown(internal)
    assert found[("guichet_invitations", "sent")] == 2
    assert found[("guichet_invitations", "accepted")] == 1
    assert found[("guichet_invitations", "queued")] == 1
    assert found[("guichet_deliveries", "dead")] == 1
    assert found[("guichet_invitations_held",)] == 1


def test_breakers_rules_and_the_timetable_are_shown(internal, services, clock):
    with services.database.transaction() as session:
        for _ in range(breakers.MAX_FAILURES):
            breakers.record_failure(session, clock(), "education.example")
        breakers.lock(session, breakers.key_of("guests.example", Interface.ONBIND))
        task, at = TimetableTask.CLEAN_UP, clock()
        timetable_runs.expect(session, at - timedelta(hours=2), TimetableTask)
        timetable_runs.record_run(session, task, began_at=at, ended_at=at, error="OperationalError")
    found = shown(internal)
    assert found[("guichet_homeserver_breaker_open", "education.example", "accounts")] == 1
    assert found[("guichet_homeserver_breaker_open", "guests.example", "onbind")] == 0
    assert found[("guichet_rules_revision",)] == 1
    assert found[("guichet_timetable_failures", "clean_up")] == 1
    last = "guichet_timetable_last_run_timestamp_seconds"
    assert found[(last, "clean_up")] == clock().timestamp()
    # One that has never run counts from when a scheduler knew of it.
    assert found[(last, "keep_invitations")] == clock().timestamp() - 7200
    assert found[("guichet_fault", "timetable")] == 1


def report(kind: NodeKind, host: str, **facts) -> NodeReport:
    return NodeReport(f"{host}:{kind}", kind=kind, host=host, **facts)


def test_processes_are_shown_by_kind_and_machine_and_whether_they_agree(internal, services, clock):
    with services.database.transaction() as session:
        session.execute(delete(Node))
        for ago, each in (
            (5, report(NodeKind.WEB, "one", keys={"link": ["a"]}, rules_revision=7)),
            (2, report(NodeKind.WORKER, "one", keys={"link": ["a"]}, rules_revision=6)),
            (1, report(NodeKind.WEB, "two", keys={"link": ["b"]}, offset=timedelta(seconds=-3))),
            (600, report(NodeKind.WORKER, "three", keys={"storage": ["old"]})),
        ):
            nodes.record_heartbeat(session, clock() - timedelta(seconds=ago), each)
    found = shown(internal)
    assert [found[("guichet_nodes", kind.value)] for kind in NodeKind] == [2, 0, 1, 0]
    assert found[("guichet_node_heartbeat_age_seconds", "one", "web")] == 5
    assert found[("guichet_node_heartbeat_age_seconds", "three", "worker")] == 600
    assert found[("guichet_node_clock_offset_seconds", "two")] == -3
    assert found[("guichet_node_rules_revision", "one")] == 6
    assert found[("guichet_node_keys_equal", "link")] == 0
    assert found[("guichet_node_keys_equal", "storage")] == 1
    assert found[("guichet_node_keys_agree", "link")] == 0
    faults = {name: found[("guichet_fault", name)] for name in ("keys", "clock", "scheduler")}
    assert faults == {"keys": 1, "clock": 1, "scheduler": 1}
    assert found[("guichet_fault", "worker")] == 0


def held(client) -> dict[str, float]:
    """1 for the reason for which jobs are held after a restore."""
    return {
        labels[0]: value
        for (name, *labels), value in shown(client).items()
        if name == "guichet_restore_held"
    }


NOTHING_HELD = {"went_back": 0, "begun": 0, "missing": 0, "other": 0}


def test_a_database_that_went_back_is_shown_until_it_is_resumed(internal, services, clock):
    """As a machine that has seen a later position finds it; then begin, then resume."""
    database = services.database
    assert held(internal) == NOTHING_HELD
    with database.reading() as session:
        row = continuity.find(session)
    services.last_seen.accept(row.name, continuity.Position(row.epoch, row.ticks + 100))
    with database.transaction() as session:
        assert not continuity.check(session, clock(), services.last_seen)
    assert held(internal) == NOTHING_HELD | {"went_back": 1}
    assert internal.get("/readyz").json["degraded"] == ["held"]
    with database.transaction() as session:
        restoring.begin(session, clock(), OLGA, last_seen=services.last_seen)
    assert held(internal) == NOTHING_HELD | {"begun": 1}
    with database.transaction() as session:
        restoring.resume(session, clock(), OLGA)
    assert held(internal) == NOTHING_HELD
    assert internal.get("/readyz").json["degraded"] == []


def test_a_row_that_is_missing_and_one_of_another_version_count_as_held(internal, services, clock):
    with services.database.transaction() as session:
        changed = {"held_since": clock(), "held_why": "what a later version says"}
        session.execute(update(Installation).values(changed))
    assert held(internal) == NOTHING_HELD | {"other": 1}
    with services.database.transaction() as session:
        session.execute(delete(Installation))
    assert held(internal) == NOTHING_HELD | {"missing": 1}


def test_a_module_that_knows_more_is_shown_until_that_is_dismissed(internal, services, clock):
    name = ("guichet_restore_module_ahead", "education.example")
    assert name not in shown(internal)
    with services.database.transaction() as session:
        continuity.record_module_ahead(session, clock(), "education.example")
    assert shown(internal)[name] == 1
    assert held(internal) == NOTHING_HELD
    with services.database.transaction() as session:
        restoring.dismiss(session, clock(), OLGA)
    assert name not in shown(internal)


def test_homeservers_that_operators_stopped_are_shown_as_long(internal, services, clock):
    def put(name: str, **moments) -> None:
        with services.database.transaction() as session:
            session.execute(update(Homeserver).where(Homeserver.name == name).values(moments))

    def stopped() -> set[tuple[str, ...]]:
        return {name[1:] for name in shown(internal) if name[0] == "guichet_homeserver_stopped"}

    assert stopped() == set()
    put("education.example", held_at=clock(), held_until=clock() + timedelta(hours=1))
    put("guests.example", held_at=clock(), suspended_at=clock())
    assert stopped() == {("education.example", "held"), ("guests.example", "suspended")}
    clock.advance(hours=2)
    assert stopped() == {("guests.example", "suspended")}


def test_a_relay_that_is_away_is_shown_until_what_waited_has_left(internal, services, clock):
    """Between two tries nothing is counted: the alert goes by what waits."""

    def relay() -> float:
        return shown(internal)[("guichet_fault", "relay")]

    put(services.database, clock, 1, seconds=-5)
    assert relay() == 0
    with services.database.transaction() as session:
        job = leases.lease_next(session, clock(), Lane.URGENT)
        later = clock() + timedelta(minutes=5)
        leases.postpone(session, job, later, f"{Outcome.RELAY_DOWN}: refused")
    assert relay() == 1
    clock.advance(minutes=6)
    with services.database.transaction() as session:
        leases.settle(session, leases.lease_next(session, clock(), Lane.URGENT), clock())
    assert relay() == 0


def test_freezes_count_by_what_they_stop_while_they_are_in_force(internal, services, clock):
    with services.database.transaction() as session:
        freezing.freeze(session, clock(), OLGA, Frozen.MAILS, until=clock() + timedelta(hours=1))
        for domain in ("a.example", "b.example"):
            freezing.freeze(session, clock(), OLGA, Frozen.DOMAIN, domain=domain)

    def frozen() -> dict[Frozen, float]:
        found = shown(internal)
        return {what: found[("guichet_freezes", what.value)] for what in Frozen}

    nothing = dict.fromkeys(Frozen, 0)
    assert frozen() == nothing | {Frozen.MAILS: 1, Frozen.DOMAIN: 2}
    clock.advance(hours=2)
    assert frozen() == nothing | {Frozen.DOMAIN: 2}


def test_a_key_that_is_only_staged_is_no_difference_that_people_notice(internal, services, clock):
    with services.database.transaction() as session:
        session.execute(delete(Node))
        for host, keys in (("one", ["old"]), ("two", ["new", "old"])):
            each = report(NodeKind.WEB, host, keys={"link": keys, "homeserver": keys})
            nodes.record_heartbeat(session, clock(), each)
    found = shown(internal)
    assert found[("guichet_node_keys_equal", "link")] == 0
    assert found[("guichet_node_keys_agree", "link")] == 1
    assert found[("guichet_node_keys_agree", "homeserver")] == 0


def test_two_who_scrape_at_once_both_see_the_database(decided, monkeypatch):
    """The second waits for the first, and does not take the database for away."""
    begun, goes_on = Event(), Event()

    def be_slow(*_args):
        begun.set()
        goes_on.wait(60)
        return iter(())

    monkeypatch.setattr(measured, "read", be_slow)
    reading = DatabaseMetrics(decided, deadline=60)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: next(iter(reading.collect())).samples[0].value)
        assert begun.wait(60)
        second = pool.submit(lambda: next(iter(reading.collect())).samples[0].value)
        goes_on.set()
        assert [first.result(60), second.result(60)] == [1, 1]


def test_metrics_are_for_callers_from_near_or_with_a_credential(internal, credential):
    refused = internal.get("/metrics", environ_base=FAR_AWAY)
    assert (refused.status_code, refused.json["errcode"]) == (403, "M_FORBIDDEN")
    assert shown(internal, environ_base=FAR_AWAY, headers=credential)
    page = internal.get("/metrics", headers={"Origin": "https://evil.example"})
    assert page.status_code == 403
    assert internal.get("/metrics", headers={"Host": "evil.example"}).status_code == 403


def test_a_database_that_is_away_is_said_so(decided, tmp_path):
    (tmp_path / "gone").mkdir()
    away = Database(make_engine(f"sqlite:///{tmp_path / 'gone'}"))
    client = create_app(replace(decided, database=away), listener="internal").test_client()
    found = shown(client)
    assert found[("guichet_database_up",)] == 0
    assert not [name for name, *_ in found if name.startswith("guichet_outbox")]
    away.engine.dispose()


def test_a_database_that_stands_still_holds_up_one_thread_and_no_scrape(decided, monkeypatch):
    """Also the second scrape, while the first one's thread still waits, answers."""
    goes_on = Event()

    def stand_still(*_args):
        goes_on.wait(60)
        return iter(())

    monkeypatch.setattr(measured, "read", stand_still)
    reading = DatabaseMetrics(decided, deadline=0.05)
    ups = [next(iter(reading.collect())).samples[0].value for _ in range(2)]
    assert ups == [0, 0]
    goes_on.set()
    monkeypatch.setattr(measured, "read", lambda *_args: iter(()))
    patient = DatabaseMetrics(decided, deadline=60)
    assert next(iter(patient.collect())).samples[0].value == 1


def steps(database, clock) -> int:
    """How much SQLite's machine does for one scrape: the same on every machine."""
    count = 0

    def one_more() -> int:
        nonlocal count
        count += 1
        return 0

    with database.reading() as session:
        raw: sqlite3.Connection = session.connection().connection.driver_connection
        raw.set_progress_handler(one_more, 10)
        try:
            list(measured.read(session, clock(), clock()))
        finally:
            raw.set_progress_handler(None, 0)
    return count


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_cost_does_not_grow_with_what_waits(services, clock):
    put(services.database, clock, 2 * MOST, seconds=-5)
    few = steps(services.database, clock)
    put(services.database, clock, 18 * MOST, seconds=-5)
    assert steps(services.database, clock) <= 1.1 * few


@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_counts_by_the_index_that_is_made_for_it(services, clock):
    put(services.database, clock, 10 * MOST, seconds=-5)
    with services.database.transaction() as session:
        session.execute(text("analyze outbox"))
    seen: list[str] = []
    with services.database.reading() as session:
        execute = session.execute

        def explained(statement, *args, **facts):
            if "pairs" not in str(statement):
                return execute(statement, *args, **facts)
            compiled = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
            rows = execute(text(f"explain (analyze, format text) {compiled}"))
            seen.append("\n".join(row[0] for row in rows))
            return execute(statement, *args, **facts)

        session.execute = explained
        list(measured.read(session, clock(), clock()))
    [plan] = seen
    assert "ix_outbox_measured" in plan
    assert "Seq Scan on outbox" not in plan
