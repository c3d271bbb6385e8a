"""A process says that it runs and what it has; it says so no more once it stops."""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from celery.signals import worker_init

from identity import migrations
from identity.core import continuity, metric_files, nodes
from identity.core.clock import utc_now
from identity.core.continuity import LastSeen
from identity.core.database import Database, make_engine
from identity.core.nodes import GONE_AFTER, Node, NodeFault, NodeKind, NodeReport
from identity.health.heartbeat import Heartbeat, measure_offset
from identity.routing.rules_in_force import RulesInForce
from tests.services.waiting import wait_for
from tests.worlds.worker import *
from workers import celery_app, slots

AWAY = "postgresql+psycopg://guichet@127.0.0.1:1/guichet"


@pytest.fixture
def seen(services):
    with services.database.transaction() as session:
        session.query(Node).delete()

    def seen(now=None):
        with services.database.reading() as session:
            return nodes.can_open(session, now or utc_now(), services.public_half.key_id)

    return seen


@pytest.fixture
def own(services, database_url):
    """The same services as in another process: connections of its own, and the time it is."""
    database = Database(make_engine(database_url))
    rules = RulesInForce(database, utc_now)
    yield replace(services, database=database, rules=rules, now=utc_now)
    database.engine.dispose()


def all_nodes(services) -> list[Node]:
    with services.database.reading() as session:
        return list(nodes.find_all(session))


def test_it_is_seen_from_its_start_to_its_end(services, own, seen):
    heart = Heartbeat(own, NodeKind.WORKER, lanes=["urgent", "bulk"])
    assert not seen()
    heart.start()
    wait_for(seen, what="the heartbeat")
    [node] = all_nodes(services)
    assert node.kind == "worker"
    assert node.host
    assert node.lanes == "urgent,bulk"
    assert node.version == "0.1.0"
    assert node.schema == migrations.newest_revision()
    assert node.started_at is not None
    counts = {name: len(found) for name, found in node.keys.items()}
    assert counts == {"link": 1, "storage": 1, "public": 1, "homeserver": 1}
    heart.stop()
    assert not seen()


def test_a_process_that_stops_before_it_began_has_nothing_to_take_back(own, seen):
    Heartbeat(own, NodeKind.WORKER).stop()
    assert not seen()


def test_it_is_gone_thirty_seconds_after_the_last_beat(services, seen, clock):
    with services.database.transaction() as session:
        report = NodeReport("w", key_ids=[services.public_half.key_id])
        nodes.record_heartbeat(session, clock(), report)
    clock.advance(seconds=GONE_AFTER.total_seconds() - 1)
    assert seen(clock())
    clock.advance(seconds=1)
    assert not seen(clock())


def test_only_workers_open_what_is_sealed(services, seen, clock):
    with services.database.transaction() as session:
        report = NodeReport("w", kind=NodeKind.WEB, key_ids=[services.public_half.key_id])
        nodes.record_heartbeat(session, clock(), report)
    assert not seen(clock())


def test_it_survives_a_database_that_is_away_for_a_while(services, seen, caplog):
    heart = Heartbeat(replace(services, database=Database(make_engine(AWAY))), NodeKind.WORKER)
    heart.start()
    wait_for(lambda: "the database is away" in caplog.text, what="the line in the log")
    heart.beat()
    assert caplog.text.count("the database is away") == 1  # told once, not every ten seconds
    heart.stop()
    assert not seen()


def test_who_stands_still_is_not_reported(services, own, seen):
    heart = Heartbeat(own, NodeKind.SCHEDULER, is_well=lambda: False)
    heart.start()
    heart.stop()
    assert all_nodes(services) == []


def test_a_web_process_loads_its_rules_and_names_their_revision(services, own, seen):
    assert own.rules.revision is None
    heart = Heartbeat(own, NodeKind.WEB)
    heart.start()
    wait_for(lambda: all_nodes(services), what="the heartbeat")
    [node] = all_nodes(services)
    heart.stop()
    assert node.rules_revision == own.rules.revision == 1
    assert "homeserver" in node.keys  # these services are a worker's


def test_a_data_folder_that_cannot_be_written_is_reported(services, own, seen):
    gone = replace(own, settings=own.settings.model_copy(update={"data_dir": "/proc"}))
    heart = Heartbeat(own, NodeKind.WORKER)  # its keys are still there
    heart._services = gone
    heart.start()
    wait_for(lambda: all_nodes(services), what="the heartbeat")
    [node] = all_nodes(services)
    heart.stop()
    assert node.faults == NodeFault.DATA_FOLDER


def test_a_worker_moves_the_database_on_and_keeps_the_position_others_only_look(
    services, own, seen, tmp_path
):
    path = tmp_path / "last_seen.json"
    kept = replace(own, last_seen=LastSeen(path))
    heart = Heartbeat(kept, NodeKind.WORKER)
    heart.start()
    wait_for(path.exists, what="the first heartbeat")
    heart.stop()
    for _ in range(2):
        heart.beat()
    with services.database.reading() as session:
        row = continuity.find(session)
    assert row.ticks == 3
    assert json.loads(path.read_text()) == {row.name: [0, row.ticks]}
    with services.database.transaction() as session:
        continuity.find(session).ticks = 0
    web = Heartbeat(replace(own, last_seen=LastSeen(path)), NodeKind.WEB)
    web.start()
    wait_for(lambda: held_why(services), what="the web holds all jobs")
    web.stop()
    assert held_why(services) == continuity.WENT_BACK


def held_why(services) -> str:
    with services.database.reading() as session:
        return continuity.find(session).held_why


def test_a_position_that_cannot_be_kept_stops_no_heartbeat_and_is_logged_once(
    services, own, seen, caplog
):
    heart = Heartbeat(
        replace(own, last_seen=LastSeen(Path("/proc/last_seen.json"))), NodeKind.WORKER
    )
    heart.start()
    wait_for(lambda: "is not kept" in caplog.text, what="the first heartbeat")
    heart.stop()
    heart.beat()
    heart.beat()
    assert caplog.text.count("is not kept") == 1
    assert all_nodes(services)


def test_a_fork_reports_itself_beside_its_parent(services, own, seen):
    heart = Heartbeat(own, NodeKind.WEB)
    heart.start(survives_fork=True)
    wait_for(lambda: len(all_nodes(services)) == 1, what="the parent")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)  # until the parent has seen it
        heart.stop()
        os._exit(0)
    os.close(read)
    try:
        wait_for(lambda: len(all_nodes(services)) == 2, what="the child")
        assert len({node.node_id for node in all_nodes(services)}) == 2
    finally:
        os.close(write)
        os.waitpid(child, 0)
    assert len(all_nodes(services)) == 1
    heart.stop()


def test_a_fork_waits_for_the_report_that_is_under_way(services, own, seen):
    inside, may_go_on, reported = Event(), Event(), []

    class SlowRules(RulesInForce):
        def current(self):
            inside.set()
            may_go_on.wait(60)
            return super().current()

    def look():
        if not reported:  # the hook stays for the forks of later tests
            reported.append(len(all_nodes(services)))

    # The hooks before a fork are called from the newest to the oldest.
    os.register_at_fork(before=look)
    heart = Heartbeat(replace(own, rules=SlowRules(own.database, utc_now)), NodeKind.WEB)
    heart.start()
    os.register_at_fork(before=may_go_on.set)
    assert inside.wait(60)
    assert not all_nodes(services)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    heart.stop()
    assert reported == [1]


def test_the_clock_is_compared_with_the_database(postgresql_url, services):
    database = Database(make_engine(postgresql_url))
    ahead = replace(services, database=database, now=lambda: utc_now() + timedelta(seconds=20))
    try:
        with database.reading() as session:
            offset = measure_offset(ahead, session)
        ahead.clock_offset.value = offset
        assert timedelta(seconds=15) < offset < timedelta(seconds=25)
        assert abs(ahead.database_now() - utc_now()) < timedelta(seconds=5)
    finally:
        database.engine.dispose()


class FaultyStart:
    concurrency = 2

    def __call__(self, *_):
        raise RuntimeError("this fails")


def test_it_begins_though_the_broker_takes_nothing(monkeypatch):
    begun = []

    class Starts:
        def start(self):
            begun.append("started")

    monkeypatch.setattr(celery_app, "heartbeat", Starts)
    monkeypatch.setattr(celery_app, "metrics_listener", Starts)
    monkeypatch.setattr(celery_app, "wake_outbox", FaultyStart())
    celery_app.AfterPool(None).start(None)
    assert begun == ["started"] * 2


def test_slots_are_shared_though_it_cannot_be_prepared(monkeypatch):
    shared = []
    # Else this process, which is no worker, would count into files from now on.
    monkeypatch.setenv("GUICHET_WORKER_METRICS_LISTEN", "")
    monkeypatch.setattr(celery_app, "heartbeat", FaultyStart())
    monkeypatch.setattr(slots, "share", shared.append)
    worker_init.send(sender=FaultyStart())
    assert shared == [2]
    assert metric_files.joined() is None
