"""Redis stands still (SIGSTOP) or is gone: people hardly wait, and the worker finds its jobs by itself.

The server is this module's own: others must not wait for it.
"""

import json
import time
from collections.abc import Iterator
from itertools import count

import pytest
import redis
import requests

from tests.services.children import standing_still
from tests.services.person import Person
from tests.services.production import ask_database, wait_until_done
from tests.services.redis_server import RedisServer
from tests.services.waiting import wait_for

PEOPLE = [f"camille.{number}@ac-rouen.example" for number in "abcdef"]
HANG = 40.0  # seconds: more than any time-out, on a slow machine too
SWEPT = "select extract(epoch from max(done_at - created_at)) from outbox where done_at is not null"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.thaw()
    server.kill()


def sign_ups(url: str) -> list[float]:
    """Each person types an address; how long the pages took."""
    seconds = []
    for address in PEOPLE:
        person = Person(url)
        began = time.monotonic()
        person.ask(address)
        seconds.append(time.monotonic() - began)
        assert person.page.url.endswith("/check/1")
    return seconds


@pytest.mark.faults
def test_a_redis_that_stands_still_costs_one_request_a_moment_and_no_mail(
    federation, guichet_processes, redis_server, smtp_server, record_fault
):
    web = guichet_processes.web(federation)
    guichet_processes.worker(federation)
    sign_up_before = Person(web.url)
    sign_up_before.ask("camille.durand@ac-rouen.example")
    smtp_server.wait_for_mail("camille.durand@ac-rouen.example")
    with standing_still(redis_server):
        seconds = sign_ups(web.url)
        said = sign_up_before.open("/readyz").json()["degraded"]
        for address in PEOPLE:
            smtp_server.wait_for_mail(address)
        wait_until_done(federation)
    swept = float(ask_database(federation, SWEPT)[0][0])
    assert "limits" in said
    assert max(seconds) < HANG
    assert web.log.count("broker away") < len(PEOPLE), "a breaker remembers"
    sent = [len(smtp_server.to(address)) for address in PEOPLE]
    assert sent == [1] * len(PEOPLE)
    record_fault(
        "Redis: stands still",
        tried=len(PEOPLE),
        survived=sum(sent),
        seconds=swept,
        said=f"/readyz: {', '.join(said)}; slowest page {max(seconds):.1f} s, "
        f"the others {sorted(seconds)[-2]:.1f} s",
    )


@pytest.mark.faults
def test_a_redis_that_takes_nothing_ends_no_worker_and_is_named(
    federation, guichet_processes, redis_server, smtp_server, record_fault
):
    """It is full here; a replica, or one that cannot write its disk, refuses in the same way."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        # /readyz is asked until it knows, and each time somebody types an address.
        web = guichet_processes.web(federation | {"GUICHET_SHARED_NETWORKS": "127.0.0.0/8"})
        worker = guichet_processes.unready_worker(federation, "--concurrency", "2")
        said = wait_for(
            lambda: named_by(web, {"broker", "limits"}), what="/readyz names broker and limits"
        )
        sign_ups(web.url)
        for address in PEOPLE:
            smtp_server.wait_for_mail(address)
        worker.wait_for_log("maxmemory")
        assert worker.running
        shown = guichet_processes.start("guichet", "doctor", env=federation)
        assert shown.process.wait(120) == 1
        assert shown.log.count("takes nothing: OutOfMemoryError") == 2
        client.config_set("maxmemory", "0")
        began = time.monotonic()
        worker.wait_for_log(" ready.")
        seconds = time.monotonic() - began
        wait_for(lambda: not named_by(web, {"broker"}), what="/readyz says the broker is well")
    assert not named_by(web, {"worker"})
    record_fault(
        "Redis: full",
        tried=len(PEOPLE),
        survived=sum(len(smtp_server.to(address)) for address in PEOPLE),
        seconds=seconds,
        said=f"/readyz: {', '.join(sorted(said))}",
    )


def named_by(web, names: set[str]) -> set[str]:
    """What /readyz says, if all of these are named; else nothing."""
    said = set(requests.get(f"{web.url}/readyz", timeout=60).json()["degraded"])
    Person(web.url).ask("nobody@ac-rouen.example")  # the limits are counted at a request
    return said if names <= said else set()


@pytest.mark.faults
def test_a_worker_that_starts_without_its_broker_works_is_listed_and_hears_bells_later(
    federation, guichet_processes, redis_server, smtp_server, record_fault
):
    redis_server.kill()
    web = guichet_processes.web(federation)
    worker = guichet_processes.unready_worker(federation)
    worker.wait_for_log("Cannot connect to redis")
    wait_for(lambda: "worker" in kinds(guichet_processes, federation), what="it is listed")
    sign_ups(web.url)
    for address in PEOPLE:
        smtp_server.wait_for_mail(address)
    wait_until_done(federation)
    assert worker.running
    assert not named_by(web, {"worker"})
    assert named_by(web, {"broker"})
    swept = float(ask_database(federation, SWEPT)[0][0])
    sent = sum(len(smtp_server.to(address)) for address in PEOPLE)
    assert sent == len(PEOPLE)

    redis_server.start()
    worker.wait_for_log(" ready.")
    later = (f"camille.{number}@ac-rouen.example" for number in count())

    def ring() -> str | None:
        """Somebody asks, whose bell is rung unless the web found the broker away, and slow at that, a moment ago."""
        address = next(later)
        Person(web.url).ask(address)
        return address if redis_server.bells()[0] else None

    last = wait_for(ring, what="a bell is rung", pause=5.0)
    # A bell follows the answer, so there may be one more by now.
    wait_for(lambda: redis_server.bells()[1] == 0, what="it is heard")
    smtp_server.wait_for_mail(last)
    assert worker.stop() == 0
    assert "worker" not in kinds(guichet_processes, federation)
    record_fault(
        "Redis: away when a worker starts",
        tried=len(PEOPLE),
        survived=sent,
        seconds=swept,
        said="log: broker away, a sweep will find the work",
    )


def test_a_worker_that_waits_for_its_broker_ends_when_it_is_told_to(federation, guichet_processes):
    deaf = federation | {"GUICHET_BROKER_URL": "redis://127.0.0.1:1/0"}
    worker = guichet_processes.unready_worker(deaf)
    wait_for(lambda: "worker" in kinds(guichet_processes, federation), what="it is listed")
    worker.stop()
    assert "worker" not in kinds(guichet_processes, federation)


def kinds(processes, environment) -> list[str]:
    """Which processes `guichet node list` shows."""
    said = processes.guichet("node", "list", "--json", env=environment)
    return [each["kind"] for each in json.loads(said)]


@pytest.mark.long
def test_a_job_in_flight_goes_on_when_the_broker_dies(
    federation, guichet_processes, redis_server, holding_smtp
):
    held = federation | {"GUICHET_SMTP_URL": holding_smtp.url}
    worker = guichet_processes.worker(held, "--concurrency", "2")
    ordering = ("python", "-m", "tests.services.ordering")
    guichet_processes.run(*ordering, PEOPLE[0], "0", "urgent", "1", env=held)
    attempts = "select attempts from outbox where attempts > 0 and last_error is null"
    wait_for(lambda: ask_database(federation, attempts), what="the job is under way", pause=0.1)
    redis_server.kill()
    worker.wait_for_log("Connection to broker lost")
    postponed = "select 1 from outbox where last_error is not null"
    wait_for(lambda: ask_database(federation, postponed), what="its end is recorded", pause=0.1)
    assert [row[0] for row in ask_database(federation, "select attempts from outbox")] == [1]
