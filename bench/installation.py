"""Guichet as an operator runs it: durable PostgreSQL, Redis, limits on, and two processes of the web.

What deploy/systemd starts, `guichet web`, is the server of every figure; `gunicorn wsgi:app` with as
many threads stands beside it, and so do the anchors of served.py, on both. With `--beside`, so does
the `guichet web` of an older checkout, with its own packages, servers and data like ours.
"""

import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from sqlalchemy import text

from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.services.processes import BIN, ROOT, Processes, Web
from tests.services.redis_server import RedisServer
from tests.services.smtp import Relay

from . import filling, served
from .filling import RULES
from .load import Target

FEW, MANY = 100_000, 1_000_000  # associations
ACCOUNTS = filling.accounts_of(
    FEW
)  # more than are remembered for two seconds when their turn comes
WORKERS = 2  # processes of the web, as in deploy/systemd
DURABLE = ("max_connections=300",)  # whatever else PostgreSQL's own defaults are
EXPLAINED = (
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_format = 'json'",
)
GUNICORN = (
    *("--worker-class", "gthread", "--no-control-socket"),
    *("--workers", str(WORKERS), "--threads", str(served.THREADS)),
)

Server = Literal["granian", "gunicorn"]


def token_of(number: int) -> str:
    """The token of an account; it serves for Sydent as well."""
    return f"token-{number}"


def user_of(number: int) -> str:
    """The user ID of an account."""
    return f"@p{number}:agents.example"


def address_of(number: int) -> str:
    """The address that is associated with an account."""
    return f"p{number}@d{number % RULES}.example"


def network_of(number: int) -> str:
    """An IP address for an account: each comes from a network of its own."""
    return f"2001:db8:{number // 65_536:x}:{number % 65_536:x}::1"


class Installation:
    """The servers. Each is started when it is first asked for, and ends with the block."""

    def __init__(
        self, stack: ExitStack, *, tree: Path = ROOT, older: "Installation | None" = None
    ) -> None:
        """`tree`: the checkout that is installed. `older`: the one that is measured beside."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guichet-bench-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user than root
        for name in ("postgresql", "redis", "guichet"):
            (folder / name).mkdir()
        self._postgresql = PostgreSQLServer(folder / "postgresql", settings=DURABLE)
        self._redis = RedisServer(folder / "redis")
        self.relay = Relay()
        for server, end in (
            (self._postgresql, self._postgresql.kill),
            (self._redis, self._redis.kill),
            (self.relay, self.relay.stop),
        ):
            stack.callback(end)
            server.start()
        self.folder = folder
        programs = BIN if tree == ROOT else tree / ".venv" / "bin"
        self.processes = Processes(folder / "guichet", tree=tree, programs=programs)
        self._older = older
        stack.callback(self._end_all)
        self._databases: dict[int, str] = {}
        self._started: dict[Hashable, Web] = {}

    @property
    def stores(self) -> list[int]:
        """The process ids of PostgreSQL and Redis."""
        return [each.child.pid for each in (self._postgresql, self._redis) if each.child]

    def guichet(self, server: Server = "granian", size: int = FEW) -> Target:
        """The public site, of a database with so many associations."""
        env, start = self.environment(size), self.processes
        target = self._target(
            ("guichet", server, size),
            {
                "granian": lambda: start.web(env, "--workers", str(WORKERS)),
                "gunicorn": lambda: start.gunicorn(env, *GUNICORN),
            }[server],
        )
        is_compared = self._older and server == "granian"
        return replace(target, before=self._older.guichet(size=size)) if is_compared else target

    def anchors(self, server: Server = "granian", size: int = FEW) -> Target:
        """The application of served.py, on the same server."""
        env, start = {served.DATABASE: _plain(self.database_url(size))}, self.processes
        return self._target(
            ("anchors", server, size),
            {
                "granian": lambda: start.granian("bench.served:asgi", env, workers=WORKERS),
                "gunicorn": lambda: start.gunicorn(env, *GUNICORN, target="bench.served:wsgi"),
            }[server],
        )

    def started(self, key: Hashable, start: Callable[[], Web]) -> Web:
        """The server of this key: running already, or what `start` gives."""
        if key not in self._started:
            self._started[key] = start()
        return self._started[key]

    def environment(self, size: int = FEW) -> dict[str, str]:
        """The settings of Guichet. Limits are on, and the proxy in front is trusted."""
        return KEYS | {
            "GUICHET_DATABASE_URL": self.database_url(size),
            "GUICHET_BROKER_URL": self._redis.url,
            "GUICHET_REDIS_URL": f"{self._redis.url[:-1]}1",
            "GUICHET_SMTP_URL": self.relay.url,
            "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
            "GUICHET_TRUSTED_PROXIES": "127.0.0.1/32",
            "GUICHET_WEB_THREADS": str(served.THREADS),
        }

    def database_url(self, size: int = FEW) -> str:
        """A database with the rules, the accounts and so many associations with their hashes."""
        if 0 not in self._databases:
            self._databases[0] = self._postgresql.create_database()
            self._fill_base()
        if size not in self._databases:
            self._databases[size] = self._postgresql.create_database(self._databases[0])
            with self.database(size) as database:
                filling.fill(database, size)
        return self._postgresql.url(self._databases[size])

    @contextmanager
    def database(self, size: int = FEW) -> Iterator[Database]:
        """Such a database, for statements that may take their time."""
        database = Database(make_engine(self.database_url(size), UPGRADE))
        try:
            yield database
        finally:
            database.engine.dispose()

    @contextmanager
    def explained(self, size: int) -> Iterator[Path]:
        """PostgreSQL explains what connections that begin meanwhile ask: the log where it does."""
        self.database_url(size)
        name = self._databases[size]
        for setting in EXPLAINED:
            self._postgresql.execute(f"alter database {name} set {setting}")
        assert self._postgresql.child
        try:
            yield self._postgresql.child.log_path
        finally:
            for setting in EXPLAINED:
                self._postgresql.execute(f"alter database {name} reset {setting.split(' ')[0]}")

    def _fill_base(self) -> None:
        domains = self.folder / "domains.txt"
        domains.write_text("\n".join(f"d{number}.example" for number in range(RULES)))
        environment = KEYS | {"GUICHET_DATABASE_URL": self._postgresql.url(self._databases[0])}
        for command in (
            ("db", "upgrade"),
            ("homeserver", "add", "agents.example", "--url", "http://127.0.0.1:1"),
            ("homeserver", "add", "guests.example", "--url", "http://127.0.0.1:1", "--guests"),
            ("domain", "import", str(domains), "--homeserver", "agents.example"),
            ("domain", "add", "open.example", "--homeserver", "agents.example"),
        ):
            self.processes.run("guichet", *command, env=environment, within=300)
        database = Database(make_engine(environment["GUICHET_DATABASE_URL"], UPGRADE))
        with database.transaction() as session:
            session.execute(text(filling.PEPPER))
        database.engine.dispose()

    def _target(self, key: Hashable, start: Callable[[], Web]) -> Target:
        web = self.started(key, start)
        return Target(web.url, [web.pid], self.stores)

    def _end_all(self) -> None:
        for child in reversed(self.processes.started):
            child.kill()


_kept = ExitStack()
beside: Path | None = None  # an older checkout that is measured too


@cache
def installation() -> Installation:
    """The one of this run: suites share it, since it takes a minute to fill."""
    older = Installation(_kept, tree=beside) if beside else None
    return Installation(_kept, older=older)


def close() -> None:
    """End all servers and delete their files."""
    _kept.close()
    installation.cache_clear()


def _plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return url.replace("+psycopg", "")
