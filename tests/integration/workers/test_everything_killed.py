"""People sign up while everything else is killed, one thing after the other: each gets a page and one mail.

The servers are this module's own: others must not wait for them.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from celery import Celery

from identity.core.outbox import Lane
from tests.services.person import Person, code_in, link_in, plain
from tests.services.postgresql import PostgreSQLServer, running_server
from tests.services.production import ask_database, wait_until_done
from tests.services.redis_server import RedisServer
from tests.services.waiting import free_port, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.long]

PEOPLE, AT_ONCE = 24, 6
HANG = 40.0  # seconds: more than any deadline, on a slow machine too
AWAY = 1.0  # seconds that the fault itself lasts
RELOADS = 600  # of one person, who waits half a second before each


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@dataclass
class Crowd:
    """People who sign up one after the other at several places, and reload a page that is broken."""

    url: str
    name: str
    statuses: Counter[int | str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    """How often each person sent the form: after a minute it asks for one more mail."""
    longest: float = 0.0
    without_a_time: int = 0
    arrived: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def sign_up(self) -> threading.Thread:
        waiting = [f"{self.name}.{number}@ac-rouen.example" for number in range(PEOPLE)]
        threads = [threading.Thread(target=self._each, args=(waiting,)) for _ in range(AT_ONCE)]

        def all_of_them():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        whole = threading.Thread(target=all_of_them)
        whole.start()
        return whole

    def _each(self, waiting: list[str]) -> None:
        while waiting:
            address = waiting.pop()
            arrived = self._try(address)
            (self.arrived if arrived else self.lost).append(address)

    def _try(self, address: str) -> bool:
        person = None
        for _ in range(RELOADS):
            began = time.monotonic()
            try:
                person = person or Person(self.url)
                answer = person.open("/start")
                if answer.ok:
                    self.sent[address] += 1
                    answer = person.send("/start", email=address)
            except (requests.RequestException, StopIteration):  # no answer, or a page without form
                self.statuses["no answer"] += 1
            else:
                self.statuses[answer.status_code] += 1
                self.without_a_time += (
                    answer.status_code == 503 and "Retry-After" not in answer.headers
                )
                if answer.ok and "/check/" in answer.url:
                    return True
            self.longest = max(self.longest, time.monotonic() - began)
            time.sleep(0.5)
        return False


@dataclass
class Site:
    """Web, worker and scheduler on servers of their own."""

    environment: dict[str, str]
    processes: object
    relay: object
    postgresql: PostgreSQLServer
    redis: RedisServer

    def start(self) -> None:
        self.web = self.processes.web(self.environment, "--workers", "2", port=self.port)
        self.worker = self.processes.worker(self.environment, "--concurrency", "4")
        self.beat = self.processes.beat(self.environment, *self._schedule())

    @property
    def port(self) -> int:
        return int(self.environment["GUICHET_PUBLIC_URL"].rpartition(":")[2])

    def _schedule(self) -> tuple[str, ...]:
        return ("-s", str(self.processes.folder / f"{time.monotonic_ns()}"), "--pidfile=")

    # What is done to it; each leaves it running.

    def kill_postgresql(self) -> None:
        self.postgresql.kill()
        self.postgresql.start()

    def restart_postgresql(self) -> None:
        self.postgresql.stop()
        self.postgresql.start()

    def kill_redis(self) -> None:
        self.redis.kill()
        time.sleep(AWAY)
        self.redis.start()

    def flush_redis(self) -> None:
        self.redis.flush()

    def ring_twenty_times(self) -> None:
        with Celery(broker=self.redis.url, set_as_current=False) as bell:
            for _ in range(20):
                for lane in Lane:
                    bell.send_task("workers.tasks.empty_outbox", args=[lane], queue=lane)

    def kill_a_web_process(self) -> None:
        before = self._serving()
        os.kill(random.choice(sorted(before)), signal.SIGKILL)
        wait_for(lambda: self._serving() - before, what="there is another in its place")

    def _serving(self) -> set[int]:
        """Multiprocessing's tracker of resources is one more child of the main process."""
        path = Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children")
        children = {int(pid) for pid in path.read_text().split()}
        return {pid for pid in children if b"resource_tracker" not in command_of(pid)}

    def kill_the_web(self) -> None:
        self.web.kill()
        self.web = self.processes.web(self.environment, "--workers", "2", port=self.port)

    def kill_the_scheduler(self) -> None:
        self.beat.kill()
        self.beat = self.processes.beat(self.environment, *self._schedule())

    def kill_the_worker(self) -> None:
        self.worker.kill()
        self.worker = self.processes.worker(self.environment, "--concurrency", "4")

    def readiness(self) -> str:
        try:
            told = requests.get(f"{self.web.url}/readyz", timeout=HANG).json()
        except requests.RequestException:
            return ""
        return ", ".join(told["degraded"])


def command_of(pid: int) -> bytes:
    """Of one that has just ended: that of a process which does not serve."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"resource_tracker"


FAULTS: dict[str, Callable[[Site], None]] = {
    "PostgreSQL: killed": Site.kill_postgresql,
    "PostgreSQL: restarted": Site.restart_postgresql,
    "Redis: killed": Site.kill_redis,
    "Redis: flushed": Site.flush_redis,
    "Redis: delivers every bell twenty times": Site.ring_twenty_times,
    "processes: one of the web killed": Site.kill_a_web_process,
    "processes: the whole web killed": Site.kill_the_web,
    "processes: scheduler killed": Site.kill_the_scheduler,
    "processes: the only worker killed": Site.kill_the_worker,
}
TIMES = 3


@pytest.fixture
def site(federation, guichet_processes, smtp_server, postgresql_server, redis_server) -> Site:
    # What was committed survives a kill, as in production.
    name = federation["GUICHET_DATABASE_URL"].rpartition("/")[2]
    postgresql_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    environment = {
        **federation,
        "GUICHET_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        "GUICHET_SHARED_NETWORKS": "127.0.0.0/8",
    }
    site = Site(environment, guichet_processes, smtp_server, postgresql_server, redis_server)
    site.start()
    return site


@pytest.mark.parametrize("name", FAULTS)
def test_who_was_told_to_look_into_the_mailbox_gets_one_mail(site, smtp_server, record_fault, name):
    crowd = Crowd(site.web.url, name.partition(":")[2].replace(" ", "-").strip("-"))
    signing_up, said = crowd.sign_up(), set()
    for _ in range(TIMES):
        arrived = len(crowd.arrived)
        wait_for(
            lambda arrived=arrived: len(crowd.arrived) > arrived or not signing_up.is_alive(),
            what="somebody arrives",
            within=300,
        )
        FAULTS[name](site)
        said.add(site.readiness())
    ended_at = time.monotonic()
    signing_up.join()
    for address in crowd.arrived:
        smtp_server.wait_for_mail(address, within=300)
    wait_until_done(site.environment, within=300)
    seconds = time.monotonic() - ended_at

    assert crowd.lost == []
    assert set(crowd.statuses) <= {200, 503, "no answer"}
    assert crowd.without_a_time == 0
    assert crowd.longest < HANG
    marked = "select cast(subject_id as text) from outbox where uncertain > 0"
    uncertain = {mail for (mail,) in ask_database(site.environment, marked)}
    ids = Counter(message["Message-ID"] for message in smtp_server.messages)
    twice = {each for each, count in ids.items() if count > 1}
    assert {each.strip("<").partition("@")[0] for each in twice} <= uncertain
    codes = Counter(
        message["To"]
        for message in {message["Message-ID"]: message for message in smtp_server.messages}.values()
        if message["X-Guichet-Template"].startswith("verify;")
    )
    assert {address for address, count in codes.items() if count > crowd.sent[address]} == set()
    told = ", ".join(
        f"{count} × {status}" for status, count in sorted(crowd.statuses.items(), key=str)
    )
    record_fault(
        f"{name}, {TIMES} times",
        tried=PEOPLE,
        survived=len(crowd.arrived),
        doubled=len(twice),
        seconds=seconds,
        said=f"/readyz: {'; '.join(sorted(said - {''})) or 'ready'}; pages {told}, "
        f"slowest broken one {crowd.longest:.1f} s",
    )


def test_keys_are_renewed_while_links_and_codes_are_out(site, smtp_server, record_fault):
    people = {f"keys.{number}@ac-rouen.example": Person(site.web.url) for number in range(4)}
    for address, person in people.items():
        person.ask(address)
        smtp_server.wait_for_mail(address)
    old = site.environment["GUICHET_SECRET_KEYS"]
    site.environment["GUICHET_SECRET_KEYS"] = f"a-newer-key-for-the-links-of-all-the-tests,{old}"
    site.kill_the_web()
    site.kill_the_worker()
    for number, (address, person) in enumerate(people.items()):
        mail = plain(smtp_server.to(address)[0])
        if number % 2:
            person.open(link_in(mail))
            person.send()
        else:
            person.open("/check/1")
            person.type_code(code_in(mail))
        assert "/account/1" in person.page.url, person.page.text
    record_fault(
        "keys: link key renewed while links and codes are out",
        tried=len(people),
        survived=len(people),
        said="all count",
    )
