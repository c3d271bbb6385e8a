"""Measures /readyz and /metrics over HTTP, beside few and many rows that wait, on PostgreSQL.

They are asked of the process that deploy/systemd starts for it, `guichet web --internal`. As many rows
again are over, as after some years.
"""

import logging
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from sqlalchemy import text

from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from identity.migrations import upgrading
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.services.processes import Processes
from tests.services.redis_server import RedisServer
from tests.worlds.many_rows import fill

from . import rows
from .processor_time import used_seconds
from .rows import GROWTH, Row

FEW, MANY = 2_000, 200_000  # rows of each kind
TIMES = 100  # questions in a round
PATHS = ("/readyz", "/metrics")
COUNTED = ("outbox", "mails", "third_party_invitations")
MOST = 10.0  # milliseconds
# Of three jobs one is due now, one was tried before and one is for later; of invitations half wait
# for their delivery.
WAITING = (
    """insert into outbox (id, errand, lane, subject_id, created_at, due_at, attempts, uncertain)
    select gen_random_uuid(), case when n % 2 = 0 then 'mail' else 'list_row' end,
    case when n % 4 = 0 then 'urgent' when n % 4 = 1 then 'normal' else 'bulk' end,
    gen_random_uuid(), now() - interval '1 hour',
    now() + case when n % 3 = 0 then interval '1 hour' else interval '-1 minute' end, n % 3, 0
    from generate_series(1, :rows) as n""",
    """insert into mails (id, template, address, mailbox, language, subject_id, state, created_at,
    due_at) select gen_random_uuid(), 'invite', 'w' || n || '@open.example',
    'w' || n || '@open.example', 'en', gen_random_uuid(), 'waiting', now(), now()
    from generate_series(1, :rows) as n""",
    """insert into third_party_invitations (id, address, room_id, sender, token, public_key,
    sealed_key, signing_key_id, facts, for_guest, created_at, expires_at, delivery, state, awaits)
    select gen_random_uuid(), 'w' || n || '@open.example', '!r', '@ana\\:agents.example',
    'w' || n, 'w' || n, '', '', '{}', true, now() - interval '1 hour', now() + interval '1 day',
    case when n % 2 = 0 then 'due' else 'waiting' end, 'queued',
    case when n % 4 = 1 then 'report' end from generate_series(1, :rows) as n""",
)


@dataclass(frozen=True)
class Listener:
    """The internal listener of a Guichet. `processes`: its own, and those of its database."""

    url: str
    processes: tuple[int, ...]

    def ask(self, session: requests.Session, path: str) -> float:
        """The milliseconds until the answer."""
        began = time.perf_counter()
        answer = session.get(self.url + path, timeout=10)
        if not answer.ok or "guichet_database_up 0" in answer.text:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:200]}")
        return (time.perf_counter() - began) * 1000


def measure() -> Iterator[Row]:
    """Run the suite. Both installations are asked in turn, so that noise affects them alike."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL runs as another user than root
        few, many = (stack.enter_context(_installation(folder / str(n), n)) for n in (FEW, MANY))
        for path in PATHS:
            taken = [[_round(each, path) for each in (few, many)] for _ in range(rows.rounds)]
            elapsed, used = (
                [
                    statistics.median(of_one[kind] for of_one in each)
                    for each in zip(*taken, strict=True)
                ]
                for kind in (0, 1)
            )
            name = f"{path}, {MANY:,} rows that wait"
            told = ", ".join(
                f"{size:,}: {elapsed[number]:.1f} ms, {used[number]:.1f} ms of the processor"
                for number, size in enumerate((FEW, MANY))
            )
            yield Row(f"{name}, to {FEW:,}", used[1] / used[0], "x", at_most=GROWTH, detail=told)
            yield Row(f"{name}, processor", used[1], "ms", at_most=MOST)


def _round(listener: Listener, path: str) -> tuple[float, float]:
    """Milliseconds of one answer: until it is there, and of the processor."""
    with requests.Session() as session:
        listener.ask(session, path)
        before = used_seconds(listener.processes)
        taken = [listener.ask(session, path) for _ in range(TIMES)]
        used = used_seconds(listener.processes) - before
    return statistics.median(taken), used / TIMES * 1000


@contextmanager
def _installation(folder: Path, size: int) -> Iterator[Listener]:
    """Servers of its own: what PostgreSQL uses is told apart by its processes."""
    with ExitStack() as stack:
        for name in ("postgresql", "redis", "guichet"):
            (folder / name).mkdir(parents=True)
        server, redis = PostgreSQLServer(folder / "postgresql"), RedisServer(folder / "redis")
        for each in (server, redis):
            stack.callback(each.kill)
            each.start()
        url = server.url(server.create_database())
        upgrading.upgrade(url)
        _fill(url, size)
        processes = Processes(folder / "guichet")
        stack.callback(lambda: [each.kill() for each in processes.started])
        names = ("GUICHET_BROKER_URL", "GUICHET_REDIS_URL")
        environment = KEYS | dict.fromkeys(names, redis.url) | {"GUICHET_DATABASE_URL": url}
        web = processes.web(environment, internal=True)
        assert server.child is not None
        yield Listener(web.url, (web.pid, server.child.pid))


def _fill(url: str, size: int) -> None:
    database = Database(make_engine(url, UPGRADE))
    with database.transaction() as session:
        fill(session, utc_now(), size, tables=COUNTED)
        for statement in WAITING:
            session.execute(text(statement), {"rows": size})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
    database.engine.dispose()


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server without data, for suites that ask Guichet in this process."""
    logging.disable(logging.WARNING)  # each request leaves a line
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user than root
        place = Path(folder) / "postgresql"
        place.mkdir()
        server = PostgreSQLServer(place)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            logging.disable(logging.NOTSET)
