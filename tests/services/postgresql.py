"""A PostgreSQL of the suite's own: unsafe, fast, on a free port, gone afterwards."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from .children import Child, MissingService, Server, children_of, lives
from .schema import create_schema
from .waiting import LOOPBACK, free_port, wait_for

# What makes a database durable costs time, and nobody will miss this one.
UNSAFE_AND_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
)
ROOM = 1 << 30  # bytes: a server has some 100 MB, and the suite a server for each core


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: Debian keeps them out of PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]),
        reverse=True,
    )
    found = versions[0] if versions else shutil.which("initdb")
    if not found:
        raise MissingService("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).resolve().parent


class PostgreSQLServer(Server):
    """`url(name)` of a database; `stop`, `start` and `kill` for tests of bad days."""

    def __init__(self, folder: Path, *, settings: tuple[str, ...] = UNSAFE_AND_FAST) -> None:
        self.binaries = find_binaries()
        self.folder, self.data, self.settings = folder, folder / "data", settings
        self.port = free_port()
        self.user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self._names = count(1)
        if self.user:
            shutil.chown(folder, self.user)
        subprocess.run(
            [
                self.binaries / "initdb",
                *("--pgdata", self.data),
                *("--username", "postgres"),
                *("--auth", "trust"),
                *("--encoding", "UTF8"),
                *("--locale", "C.UTF-8"),
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            cwd=folder,
        )

    def start(self) -> None:
        settings = (
            *self.settings,
            f"unix_socket_directories={self.folder}",
            f"listen_addresses={LOOPBACK}",
        )
        self.child = Child(
            [
                str(self.binaries / "postgres"),
                *("-D", str(self.data)),
                *("-p", str(self.port)),
                *(part for setting in settings for part in ("-c", setting)),
            ],
            log=self.folder.with_suffix(".log"),
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            cwd=self.folder,
            user=self.user,
        )
        self.child.wait_until(self._answers, what="PostgreSQL answers")

    def kill(self) -> None:
        """Its processes have groups of their own, and hold its memory: a start finds it in use while one is there."""
        if not self.child:
            return
        if not self.child.running:  # `stop` has waited for them
            self.child.kill()
            return
        self.child.freeze()  # else it begins further ones meanwhile
        others = children_of(self.child.pid)
        self.child.kill()
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(lives, others)), what="no process of PostgreSQL is left")

    def stop(self) -> None:
        """Sessions are cut off, data is kept."""
        if self.child:
            self.child.stop(signal.SIGINT)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@{LOOPBACK}:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """One statement for the server as a whole, in no transaction."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def create_database(self, template: str = "template1") -> str:
        name = f"guichet_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def in_memory() -> str | None:
    """Where files stand in memory, if there is room for a server; None: on a disk, then.

    A test has a database of its own, which is several hundred files: on a disk they cost ten times as much.
    """
    shared = Path("/dev/shm")
    is_there = shared.is_dir() and os.access(shared, os.W_OK)
    return str(shared) if is_there and shutil.disk_usage(shared).free >= ROOM else None


@contextmanager
def running_server() -> Iterator[PostgreSQLServer]:
    """One more server, gone with its files when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="guichet-pg-", dir=in_memory()))
    try:
        server = PostgreSQLServer(folder)
        server.start()
        yield server
        server.kill()
    finally:
        shutil.rmtree(folder)
        folder.with_suffix(".log").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server) -> str:
    name = postgresql_server.create_database()
    create_schema(postgresql_server.url(name))
    return name


@pytest.fixture
def empty_postgresql_url(postgresql_server, request) -> str:
    """A database without a single table."""
    return _database_for(postgresql_server, request, "template1")


@pytest.fixture
def postgresql_url(postgresql_server, _postgresql_template, request) -> str:
    """A database with the newest schema and no rows, for this test alone."""
    return _database_for(postgresql_server, request, _postgresql_template)


def _database_for(server: PostgreSQLServer, request, template: str) -> str:
    if not server.running:  # an earlier test left it down
        server.start()
    name = server.create_database(template)
    request.addfinalizer(partial(_drop, server, name))
    return server.url(name)


def _drop(server: PostgreSQLServer, name: str) -> None:
    if server.running:
        server.drop_database(name)
