"""Every lane is looked into regularly without a bell, by one process at a time, whatever fails."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from identity.core.outbox import Lane
from tests.services.waiting import wait_for
from workers import looks, slots, sweeper as sweeping
from workers.sweeper import Sweeper

NEVER = 3600.0  # seconds: no test stands still for so long, as a busy machine may for the twelve of the sweep


@pytest.fixture(autouse=True)
def fresh_looks(monkeypatch):
    monkeypatch.setattr(looks, "_memory", bytearray(len(looks._memory)))


@pytest.fixture
def make():
    made = []

    def make(look, **others):
        made.append(Sweeper(lambda: None, look, others, tick=0.001))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_it_looks_into_each_lane_at_once_and_then_after_a_pause(make, monkeypatch):
    seen = []

    def look(lane):
        looks.record(lane)
        seen.append(lane)

    monkeypatch.setattr(sweeping, "SWEEP", NEVER)
    make(look, passwords=lambda: seen.append("passwords")).start()
    wait_for(lambda: len(seen) == len(Lane) + 1, what="every lane was looked into")
    assert set(seen) == {*Lane, "passwords"}
    monkeypatch.setattr(sweeping, "SWEEP", 0.01)
    wait_for(lambda: seen.count(Lane.URGENT) > 2, what="it comes again")


def test_what_another_process_has_just_done_is_left(make, monkeypatch):
    monkeypatch.setattr(sweeping, "SWEEP", NEVER)
    seen = []
    for name in (*Lane, looks.PASSWORDS, looks.TIMETABLE):
        looks.record(name)
    sweeper = make(seen.append, passwords=lambda: seen.append("passwords"))
    ticks = threading.Event()
    sweeper._stopping.wait = lambda _: ticks.set() or threading.Event.wait(sweeper._stopping, 0.001)
    sweeper.start()
    assert ticks.wait(60)
    assert seen == []


def test_a_failure_ends_neither_the_sweep_nor_the_other_lanes(make, caplog, monkeypatch):
    monkeypatch.setattr(sweeping, "SWEEP", 0.001)
    seen = []

    def look(lane):
        seen.append(lane)
        if lane is Lane.URGENT:
            raise OperationalError("select", None, TimeoutError())
        raise ZeroDivisionError

    make(look).start()
    wait_for(lambda: seen.count(Lane.ACCOUNTS) > 2, what="it goes on")
    assert "the database is away: OperationalError" in caplog.text
    assert "a sweep failed" in caplog.text


def test_two_threads_of_a_process_share_no_slot():
    with slots.slot(Lane.NORMAL) as first, slots.slot(Lane.NORMAL) as second:
        assert (first, second) == (True, False)
    with slots.slot(Lane.NORMAL) as again:
        assert again


def test_its_end_waits_for_the_job_at_hand(make):
    begun, may_end, ended = threading.Event(), threading.Event(), []

    def look(_lane):
        begun.set()
        may_end.wait(60)
        ended.append(1)

    sweeper = make(look)
    sweeper.start()
    assert begun.wait(60)
    threading.Timer(0.01, may_end.set).start()
    sweeper.stop()
    assert ended
    assert sweeper.is_stopping
