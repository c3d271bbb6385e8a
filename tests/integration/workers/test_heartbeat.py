"""A worker says that it lives and what it opens; it says so no more once it stops."""

from dataclasses import replace

import pytest
from celery.signals import worker_init, worker_ready

from identity.core import worker_heartbeats
from identity.core.database import Database, make_engine
from identity.core.worker_heartbeats import GONE_AFTER, WorkerHeartbeat
from tests.services.waiting import wait_for
from tests.worlds.worker import *
from workers import celery_app, slots
from workers.heartbeat import Heartbeat

AWAY = "postgresql+psycopg://guichet@127.0.0.1:1/guichet"


@pytest.fixture
def seen(services, clock):
    with services.database.transaction() as session:
        session.query(WorkerHeartbeat).delete()

    def seen():
        with services.database.reading() as session:
            return worker_heartbeats.can_open(session, clock(), services.public_half.key_id)

    return seen


def test_it_is_seen_from_its_start_to_its_end(services, seen, database_url):
    own = Database(make_engine(database_url))  # as in the worker's first process
    heart = Heartbeat(replace(services, database=own))
    assert not seen()
    heart.start()
    wait_for(seen, what="the heartbeat")
    heart.stop()
    wait_for(lambda: not seen(), what="the end of it")


def test_it_is_gone_thirty_seconds_after_the_last_beat(services, seen, clock):
    with services.database.transaction() as session:
        worker_heartbeats.record_heartbeat(
            session, clock(), worker="w", key_ids=[services.public_half.key_id]
        )
    clock.advance(seconds=GONE_AFTER.total_seconds() - 1)
    assert seen()
    clock.advance(seconds=1)
    assert not seen()


def test_it_survives_a_database_that_is_away_for_a_while(services, seen, caplog):
    heart = Heartbeat(replace(services, database=Database(make_engine(AWAY))))
    heart._write(is_alive=True)
    assert "the database is away" in caplog.text
    assert not seen()


class FaultyStart:
    concurrency = 2

    def __call__(self, *_):
        raise RuntimeError("this fails")


def test_it_begins_though_the_broker_takes_nothing(monkeypatch):
    begun = []

    class Heart:
        def start(self):
            begun.append("heartbeat")

    monkeypatch.setattr(celery_app, "heartbeat", Heart)
    monkeypatch.setattr(celery_app, "wake_outbox", FaultyStart())
    worker_ready.send(sender=None)
    assert begun == ["heartbeat"]


def test_slots_are_shared_though_it_cannot_be_prepared(monkeypatch):
    shared = []
    monkeypatch.setattr(celery_app, "heartbeat", FaultyStart())
    monkeypatch.setattr(slots, "share", shared.append)
    worker_init.send(sender=FaultyStart())
    assert shared == [2]
