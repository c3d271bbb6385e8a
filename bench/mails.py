"""Measures requests that cause a mail while a relay is slow or silent, beside a stopped worker."""

import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import requests

from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.threepids import account_models as identity_accounts
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.services.processes import Processes
from tests.services.redis_server import RedisServer
from tests.services.smtp import Relay
from tests.services.waiting import LOOPBACK

from .rows import Row

ROUNDS = 6
ASKED = 60  # requests per round, of each kind, to each installation
SECONDS_A_MAIL = 2.0
ANA = "@ana:agents.example"
NOWHERE = f"smtp://{LOOPBACK}:1?tls=none"
V2 = "/_matrix/identity/v2"
REQUEST_TOKEN, STORE_INVITE = "requestToken", "store-invite"
STOPPED = "a stopped worker"

_numbers = count()


@dataclass(frozen=True)
class Installation:
    """A web process and a worker with their own database and a relay."""

    url: str
    token: str

    def ask(self, what: str) -> float:
        """Send a request; return the seconds until the answer."""
        address = f"p{next(_numbers)}@open.example"
        path, body = _request(what, address)
        began = time.perf_counter()
        answer = requests.post(
            f"{self.url}{V2}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        taken = time.perf_counter() - began
        if not answer.ok:
            raise SystemExit(f"{what}: {answer.status_code} {answer.text}")
        return taken


def measure() -> Iterator[Row]:
    """Run the suite."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL runs as another user than root
        relays = {
            # Not a quick relay: its worker would be busy, and take the web's processors.
            STOPPED: None,
            "a relay of 2 s a mail": _relay(stack, SECONDS_A_MAIL),
            "a silent relay": _silent(stack),
        }
        start = _starter(stack, folder)
        installed = {name: start(number, url) for number, (name, url) in enumerate(relays.items())}
        for what in (REQUEST_TOKEN, STORE_INVITE):
            yield from _compare(what, installed)


def _compare(what: str, installed: dict[str, Installation]) -> Iterator[Row]:
    taken: dict[str, list[float]] = {name: [] for name in installed}
    for _ in range(ROUNDS):
        for name, each in installed.items():
            taken[name] += [each.ask(what) for _ in range(ASKED)]
    late = {name: statistics.quantiles(found, n=100)[98] for name, found in taken.items()}
    told = ", ".join(
        f"{name}: median {statistics.median(taken[name]) * 1e3:.1f} ms, "
        f"99 of 100 under {late[name] * 1e3:.1f} ms"
        for name in installed
    )
    others = [name for name in installed if name != STOPPED]
    for number, name in enumerate(others):
        yield Row(
            f"{what}, {name}, to {STOPPED}, 99th centile",
            late[name] / late[STOPPED],
            "x",
            at_most=1.2,
            detail=told if number == 0 else "",
        )


def _request(what: str, address: str) -> tuple[str, dict[str, object]]:
    if what == REQUEST_TOKEN:
        body = {"client_secret": "a-secret", "email": address, "send_attempt": 1}
        return "/validate/email/requestToken", body
    room = f"!r{address}:agents.example"
    return "/store-invite", {
        "medium": "email",
        "address": address,
        "room_id": room,
        "sender": ANA,
    }


def _relay(stack: ExitStack, seconds: float) -> str:
    relay = Relay()
    relay.delay_after_data = seconds
    relay.start()
    stack.callback(relay.stop)
    return relay.url


def _silent(stack: ExitStack) -> str:
    listener = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=100))
    return f"smtp://{LOOPBACK}:{listener.getsockname()[1]}?tls=none"


def _starter(stack: ExitStack, folder: Path) -> Callable[[int, str | None], Installation]:
    """Return a function that starts an installation by its number and the URL of its relay.

    Without a relay, it starts no worker.
    """
    for name in ("postgresql", "redis", "guichet"):
        (folder / name).mkdir()
    postgresql, redis = PostgreSQLServer(folder / "postgresql"), RedisServer(folder / "redis")
    for server in (postgresql, redis):
        stack.callback(server.kill)
        server.start()
    processes = Processes(folder / "guichet")

    def kill() -> None:
        for child in reversed(processes.started):
            child.kill()

    stack.callback(kill)

    def start(number: int, relay: str | None) -> Installation:
        database_url, broker = (
            postgresql.url(postgresql.create_database()),
            f"{redis.url[:-1]}{number}",
        )
        environment = KEYS | {
            "GUICHET_DATABASE_URL": database_url,
            "GUICHET_BROKER_URL": broker,
            "GUICHET_REDIS_URL": broker,
            "GUICHET_SMTP_URL": relay or NOWHERE,
            "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
            "GUICHET_LIMITS": "off",
        }
        homeserver = ("homeserver", "add", "agents.example", "--url", "http://127.0.0.1:1")
        domain = ("domain", "add", "open.example", "--homeserver", "agents.example")
        for command in (("db", "upgrade"), homeserver, domain):
            processes.run("guichet", *command, env=environment)
        token = _token(database_url)
        if relay:
            processes.worker(environment, "--concurrency", "2")
        web = processes.web(environment)
        return Installation(web.url, token)

    return start


def _token(database_url: str) -> str:
    database = Database(make_engine(database_url))
    with database.transaction() as session:
        token = identity_accounts.issue(session, utc_now(), user_id=ANA)
    database.engine.dispose()
    return token
