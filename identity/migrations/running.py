"""Runs migrations: by one node at a time, in one transaction, with time-outs of their own.

On PostgreSQL an advisory lock says who works, on SQLite the lock of its file. A migration waits at
most five seconds for its tables, then it begins anew. It takes all of them at once or none: nobody
waits behind it meanwhile, and no request is ended for a deadlock with it. Only if they are never
free in one moment, it waits for one after the other. Its statements may take hours; a server that
stands still is noticed by a second connection.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from identity.core.database import Base, make_engine
from identity.core.database_deadlines import Patience as DatabasePatience
from identity.core.database_pooler import connect_args_for_pooler
from identity.core.deadlines import cut_off
from identity.database_urls import without_pooler

LOCK = 7_265_002  # an arbitrary number: PostgreSQL's advisory lock for upgrades
TABLE_TIMEOUT = 5  # seconds that a migration waits for its tables
LOOK_AGAIN = 0.05  # seconds until it looks whether they are free, all in one moment
CONNECT_TIMEOUT = 5  # seconds
LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"  # SQLSTATE
SQLITE_IS_LOCKED = "database is locked"
LIVES = DatabasePatience(statement=4.0, lock=4.0, answer=5.0, connect=CONNECT_TIMEOUT)


class Blocked(Exception):
    """The migrations could not run. Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True)
class Patience:
    """How long to wait: `node`: seconds for another node; `tries`: how often for tables.

    `silence`: seconds without an answer to anybody after which the server counts as away.
    """

    node: float = 900.0
    tries: int = 12
    pause: float = 2.0  # seconds
    silence: float = 60.0


@dataclass(frozen=True)
class Change:
    """The revisions before and after, as this node saw them while it held the lock."""

    before: str | None
    after: str | None

    @property
    def is_any(self) -> bool:
        return self.before != self.after


class _Elsewhere(Exception):
    """Another node works now."""


def run(
    config: Config, act: Callable[[Connection], None], patience: Patience | None = None
) -> Change:
    """Run `act` while no other node does, all in one transaction.

    It is repeated when a table cannot be locked in time. Raises Blocked.
    """
    patience = patience or Patience()
    engine = _engine(config.attributes["url"])
    waits_until, tries = time.monotonic() + patience.node, patience.tries
    try:
        while True:
            try:
                at_once = tries > patience.tries // 2
                return _run_once(engine, config, act, patience, at_once=at_once)
            except _Elsewhere:
                if time.monotonic() > waits_until:
                    raise Blocked(
                        f"another node has been changing the schema for {patience.node:.0f} seconds: "
                        "wait for its end, then run this again"
                    ) from None
            except OperationalError as error:
                if not _is_locked(error):
                    raise
                tries -= 1
                if tries <= 0:
                    raise Blocked(_who_blocks(engine, patience)) from None
            time.sleep(patience.pause)
    finally:
        engine.dispose()


def revision_in(connection: Connection) -> str | None:
    """The revision of a database; None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _run_once(
    engine: Engine,
    config: Config,
    act: Callable[[Connection], None],
    patience: Patience,
    *,
    at_once: bool,
) -> Change:
    url = config.attributes["url"]
    with engine.begin() as connection, _watched(connection, url, patience.silence):
        _take_lock(connection)
        if at_once and connection.dialect.name == "postgresql":
            _take_tables(connection)
        config.attributes["connection"] = connection
        try:
            before = revision_in(connection)
            act(connection)
            return Change(before, revision_in(connection))
        finally:
            del config.attributes["connection"]


@contextmanager
def _watched(connection: Connection, url: str, silence: float) -> Iterator[None]:
    """Cut this connection off if the server answers to nobody for so long. SQLite is no server."""
    if connection.dialect.name != "postgresql":
        yield
        return
    over = threading.Event()
    raw: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    watching = threading.Thread(target=_watch, args=(raw, url, silence, over), daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()


def _watch(raw: psycopg.Connection[Any], url: str, silence: float, over: threading.Event) -> None:
    """Ask on other connections whether the server lives; a refusal is an answer, too."""
    answered_at = time.monotonic()
    asking = make_engine(url, LIVES)
    while not over.wait(silence / 6):
        began = time.monotonic()
        try:
            with asking.connect() as other:
                other.execute(text("SELECT 1"))  # a pooler would take the connection alone
        except OperationalError:
            if time.monotonic() - began < LIVES.connect:
                answered_at = time.monotonic()
        else:
            answered_at = time.monotonic()
        asking.dispose()
        if time.monotonic() - answered_at > silence and not over.is_set():
            with suppress(psycopg.Error):  # it was closed meanwhile
                cut_off(raw.fileno())
            return


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() == "sqlite":
        return make_engine(url)
    alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT, **alive}
    address, through_pooler = without_pooler(url)
    if through_pooler:
        arguments |= connect_args_for_pooler()
    return create_engine(address, poolclass=NullPool, connect_args=arguments)


def _take_lock(connection: Connection) -> None:
    """Raises _Elsewhere. On SQLite the transaction has begun with the lock of the file."""
    if connection.dialect.name != "postgresql":
        return
    # For this transaction alone, whatever the server or a pooler between says.
    connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_TIMEOUT}s'"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    if not connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({LOCK})")):
        raise _Elsewhere


def _take_tables(connection: Connection) -> None:
    """Lock all tables in one moment. Raises OperationalError if somebody always uses one."""
    there = set(inspect(connection).get_table_names())
    names = ", ".join(sorted(there & set(Base.metadata.tables)))
    if not names:
        return
    ends_at = time.monotonic() + TABLE_TIMEOUT
    while True:
        try:
            with connection.begin_nested():
                connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE NOWAIT"))
        except OperationalError as error:
            if not _is_locked(error) or time.monotonic() > ends_at:
                raise
            time.sleep(LOOK_AGAIN)
        else:
            return


def _is_locked(error: OperationalError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in {LOCK_NOT_AVAILABLE, DEADLOCK} or SQLITE_IS_LOCKED in str(error.orig)


def _who_blocks(engine: Engine, patience: Patience) -> str:
    told = f"tables were in use in each of {patience.tries} tries"
    if engine.dialect.name != "postgresql":
        return f"{told}: stop what writes into the database, then run this again"
    oldest = text(
        "SELECT pid, coalesce(nullif(application_name, ''), usename) AS who,"
        " extract(epoch FROM now() - xact_start)::int AS seconds FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 3"
    )
    with engine.connect() as connection:
        found = connection.execute(oldest).all()
    named = ", ".join(f"process {row.pid} ({row.who}) for {row.seconds} s" for row in found)
    return (
        f"{told}. Transactions that are open: {named or 'none any more'}. "
        "Wait for their end, or end them (SELECT pg_terminate_backend(…)), then run this again"
    )
