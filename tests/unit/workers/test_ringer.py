"""Whoever asks for a bell goes on at once; what is asked for meanwhile becomes a few bells, and none is left at the end."""

import os
import threading
from collections import Counter

import pytest

from tests.services.waiting import wait_for
from workers.ringer import Ringer

LONG = 3600.0  # seconds: a pause that no test waits for


class Broker:
    """Takes bells, unless it is held up."""

    def __init__(self) -> None:
        self.bells: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.began, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def __call__(self, lane: str) -> None:
        self.began.set()
        self.answers.wait()
        self.bells.append(lane)
        self.threads.add(threading.current_thread())


@pytest.fixture
def broker():
    broker = Broker()
    yield broker
    broker.answers.set()


def test_a_first_bell_waits_for_no_pause_and_is_not_rung_by_who_asks(broker):
    Ringer(broker, pause=LONG).ask({"urgent", "bulk"})
    wait_for(lambda: len(broker.bells) == 2, what="both lanes are rung")
    assert sorted(broker.bells) == ["bulk", "urgent"]
    assert [thread.name for thread in broker.threads] == ["ringer"]


def test_a_broker_that_hangs_holds_up_nobody_who_asks(broker):
    ringer = Ringer(broker)
    broker.answers.clear()
    for _ in range(100):
        ringer.ask({"urgent"})
    assert broker.began.wait(30)
    assert broker.bells == []
    assert not ringer.finish(within=0.01)


def test_what_is_asked_for_meanwhile_becomes_as_many_bells_as_a_lane_has_runs(broker):
    ringer = Ringer(broker, at_once=4)
    broker.answers.clear()
    ringer.ask({"normal"})
    assert broker.began.wait(30)
    for _ in range(100):
        ringer.ask({"urgent"})
    ringer.ask({"bulk"})
    broker.answers.set()
    assert ringer.finish(within=30)
    assert Counter(broker.bells) == {"normal": 1, "urgent": 4, "bulk": 1}


def test_the_end_of_a_process_waits_for_no_pause(broker):
    ringer = Ringer(broker, pause=LONG)
    ringer.ask({"urgent"})
    wait_for(lambda: broker.bells, what="the first bell is rung")
    ringer.ask({"urgent"})
    assert broker.bells == ["urgent"]
    assert ringer.finish(within=30)
    assert broker.bells == ["urgent"] * 2


def test_nothing_to_ring_ends_at_once(broker):
    assert Ringer(broker).finish(within=0)


def test_a_fork_rings_for_itself_though_the_process_before_was_ringing(broker):
    ringer = Ringer(broker)
    broker.answers.clear()
    ringer.ask({"normal"})
    assert broker.began.wait(30)
    ringer.ask({"bulk"})  # of the process before: not the fork's to ring
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        broker.answers.set()
        ringer.ask({"urgent"})
        ringer.finish(within=30)
        os.write(writing, ",".join(broker.bells).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"urgent"
