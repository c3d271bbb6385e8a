"""Workers are killed at random moments while mails leave: none is lost, and what came twice is marked so."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from celery import Celery

from identity.core.outbox import Lane
from identity.services import build_services
from identity.settings import Settings
from tests.services.children import Child
from tests.services.ordering import order
from tests.services.production import ask_database
from tests.services.waiting import wait_for

LANES = (Lane.URGENT, Lane.NORMAL, Lane.BULK)
MAILS, KILLS, POOL = 2_000, 30, 5
HELD = 0.3  # seconds: the relay has taken the mail, and says so only then

pytestmark = [pytest.mark.faults, pytest.mark.long]


class Workers:
    """Two workers, so that one goes on while the other is killed and started anew."""

    def __init__(self, processes, environment, dice: random.Random) -> None:
        self.processes, self.environment, self.dice = processes, environment, dice
        self.running = [self._start(number) for number in range(2)]
        self.killed: Counter[str] = Counter()

    def kill(self) -> None:
        """SIGKILL for a whole worker, for its main process alone, or for one of its pool."""
        number = self.dice.randrange(len(self.running))
        victim = self.running[number]
        how = self.dice.choice(("whole", "main", "pool"))
        self.killed[how] += 1
        if how == "pool":
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.dice.choice(pool_of(victim)), signal.SIGKILL)
            return
        if how == "main":
            os.kill(victim.pid, signal.SIGKILL)
            victim.process.wait()
        else:
            victim.kill()
        self.running[number] = self._start(number)

    def _start(self, number: int) -> Child:
        options = ("--concurrency", str(POOL), "--hostname", f"{number}@%h")
        return self.processes.worker(self.environment, *options)


def pool_of(worker: Child) -> list[int]:
    path = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(child) for child in path.read_text().split()]


class Letters:
    """Mails ordered as the web orders them, spread over the lanes, and what became of them."""

    def __init__(self, environment, relay) -> None:
        self.environment, self.relay = environment, relay
        settings = Settings(
            _env_file=None,
            **{name.removeprefix("GUICHET_").lower(): it for name, it in environment.items()},
        )
        self.services = build_services(settings, wake_outbox=self._ring)
        self.ordered = 0

    def order(self, number: int) -> None:
        for _ in range(number):
            self.ordered += 1
            address = f"person.{self.ordered}@ac-rouen.example"
            order(self.services, address, 0, LANES[self.ordered % len(LANES)])

    def close(self) -> None:
        self.services.database.engine.dispose()

    def _ring(self, lanes: set[str]) -> None:
        """Each lane's bell, as the web rings it."""
        with Celery(broker=self.environment["GUICHET_BROKER_URL"], set_as_current=False) as bell:
            for lane in lanes:
                bell.send_task("workers.tasks.empty_outbox", args=[lane], queue=lane)

    def are_done(self) -> bool:
        waits = "select 1 from outbox where done_at is null limit 1"
        return not ask_database(self.environment, waits)

    def marked(self) -> dict[str, int]:
        """How many attempts of each mail have no known end, by the mail's id."""
        query = "select cast(subject_id as text), uncertain from outbox where errand = 'mail'"
        return dict(ask_database(self.environment, query))

    def copies(self) -> Counter[str]:
        """How often the relay took each mail, by the mail’s id in its Message-ID."""
        ids = [message["Message-ID"] for message in self.relay.messages]
        return Counter(each.strip("<").partition("@")[0] for each in ids)


@pytest.fixture
def letters(federation, smtp_server):
    letters = Letters(federation, smtp_server)
    yield letters
    letters.close()


def test_no_mail_is_lost_and_one_that_came_twice_is_marked(
    federation, guichet_processes, smtp_server, letters, record_fault
):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201  with it the same processes are killed again
    dice = random.Random(seed)
    web = guichet_processes.web(federation)
    workers = Workers(guichet_processes, federation, dice)
    smtp_server.delay_after_taking = HELD
    said: set[str] = set()
    for kill in range(KILLS):
        letters.order(MAILS * (kill + 1) // KILLS - letters.ordered)
        time.sleep(dice.uniform(0, 3 * HELD))
        workers.kill()
        said |= {*requests.get(f"{web.url}/readyz", timeout=60).json()["degraded"]}
    ended_at = time.monotonic()
    wait_for(letters.are_done, what="all mails have left", within=900, pause=0.5)
    seconds = time.monotonic() - ended_at

    copies, marked = letters.copies(), letters.marked()
    assert len(marked) == MAILS
    lost = [mail for mail in marked if not copies[mail]]
    unmarked = {mail: count for mail, count in copies.items() if count > 1 + marked[mail]}
    assert (lost, unmarked) == ([], {})
    uncertain = sum(1 for count in marked.values() if count)
    assert 0 < uncertain <= KILLS * POOL, "what was under way is marked, and nothing else"
    killed = ", ".join(f"{count} {how}" for how, count in sorted(workers.killed.items()))
    record_fault(
        f"processes: workers killed {KILLS} times ({killed})",
        tried=MAILS,
        survived=MAILS - len(lost),
        doubled=sum(1 for count in copies.values() if count > 1),
        seconds=seconds,
        said=f"/readyz: {', '.join(sorted(said)) or 'ready'}; {uncertain} marked as uncertain",
    )
