"""What did not answer is left alone for a while; then one caller tries it, and the others do not wait."""

import os
import signal
import threading

import pytest
from sqlalchemy.exc import OperationalError

from identity.core import database_availability
from identity.core.breaker import PROBE_LIMIT, Breaker
from identity.core.database_availability import Availability
from tests.services.waiting import wait_for

PAUSE = 10.0


class Clock:
    time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(PAUSE, clock=clock)


def test_it_lets_everybody_pass_until_somebody_failed(breaker):
    assert [breaker.lets_pass(), breaker.lets_pass(), breaker.is_closed] == [True, True, True]
    breaker.failed()
    assert [breaker.lets_pass(), breaker.is_closed] == [False, False]


def test_after_the_pause_one_caller_tries(breaker, clock):
    breaker.failed()
    clock.time += PAUSE - 0.1
    assert not breaker.lets_pass()
    clock.time += 0.1
    assert [breaker.lets_pass(), breaker.lets_pass()] == [True, False]


def test_whoever_finds_it_well_lets_the_others_pass(breaker, clock):
    breaker.failed()
    clock.time += PAUSE
    assert breaker.lets_pass()
    breaker.worked()
    assert [breaker.is_closed, breaker.lets_pass(), breaker.lets_pass()] == [True, True, True]


def test_whoever_fails_again_begins_another_pause(breaker, clock):
    breaker.failed()
    clock.time += PAUSE
    assert breaker.lets_pass()
    breaker.failed()
    clock.time += PAUSE - 0.1
    assert not breaker.lets_pass()
    clock.time += 0.1
    assert breaker.lets_pass()


def test_a_try_that_never_ended_counts_as_failed(breaker, clock):
    breaker.failed()
    clock.time += PAUSE
    assert breaker.lets_pass()
    clock.time += PROBE_LIMIT - 0.1
    assert not breaker.lets_pass()
    clock.time += 0.1
    assert breaker.lets_pass()


class Database:
    """Answers once it is told to."""

    def __init__(self):
        self.answers, self.asked = threading.Event(), 0

    def ping(self):
        self.asked += 1
        if not self.answers.is_set():
            raise OperationalError("select 1", None, TimeoutError())


def test_a_database_that_failed_is_away_until_a_thread_finds_it_well():
    database = Database()
    availability = Availability(database.ping, try_again=0.001)
    assert (availability.is_away, availability.may_connect()) == (False, True)
    for _ in range(3):
        availability.failed()
    assert (availability.is_away, availability.may_connect()) == (True, False)
    wait_for(lambda: database.asked > 3, what="it is tried again and again")
    assert availability.is_away
    database.answers.set()
    wait_for(lambda: not availability.is_away, what="it is well")
    assert availability.may_connect()


def test_the_thread_that_tries_may_connect():
    seen = []

    def ping():
        seen.append(availability.may_connect())

    availability = Availability(ping, try_again=0.001)
    availability.failed()
    wait_for(lambda: not availability.is_away, what="it is well")
    assert seen == [True]


def test_while_its_connections_are_closed_nobody_tries_until_somebody_asks():
    database = Database()
    availability = Availability(database.ping, try_again=0.001)
    availability.failed()
    trying = availability._thread
    availability.rest()
    wait_for(lambda: not trying.is_alive(), what="the thread ended")
    assert not availability.may_connect(), "it was away when it was last asked"
    database.answers.set()  # not before: the thread that this began could be the quicker one
    wait_for(availability.may_connect, what="it is well")


def test_a_try_that_fails_after_they_were_closed_is_the_last():
    """A ping that connects says itself that it failed; this must not begin anew."""
    database = Database()
    begun, may_fail = threading.Event(), threading.Event()

    def ping():
        begun.set()
        may_fail.wait(60)
        availability.failed()
        database.ping()

    availability = Availability(ping, try_again=0.001)
    availability.failed()
    trying = availability._thread
    assert begun.wait(60)
    availability.rest()
    may_fail.set()
    wait_for(lambda: not trying.is_alive(), what="the thread ended")
    assert (database.asked, availability._thread) == (1, trying)


def test_a_fork_while_a_thread_is_started_can_ask():
    database = Database()
    availability = Availability(database.ping, try_again=0.001)
    availability.failed()
    with database_availability._starting:
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends a child that waits for a lock
            os._exit(0 if availability.is_away else 1)
    database.answers.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_who_closes_the_connections_after_every_question_finds_it_well_all_the_same():
    """As the parent of a worker does, before its pool may fork."""
    database = Database()
    availability = Availability(database.ping, try_again=0.01)
    availability.failed()
    database.answers.set()

    def ask() -> bool:
        may = availability.may_connect()
        availability.rest()
        return may

    wait_for(ask, what="it is well")
    assert database.asked >= 1


def test_a_fork_tries_by_itself(monkeypatch):
    database = Database()
    availability = Availability(database.ping, try_again=0.001)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda _: None)  # it exists in the parent alone
        availability.failed()
        assert availability.is_away
    database.answers.set()
    wait_for(lambda: not availability.is_away, what="it is well")
