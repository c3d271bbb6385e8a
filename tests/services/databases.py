"""SQLite and PostgreSQL side by side: what holds on one must hold on the other."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from identity.core.database import Database, make_engine

from .schema import create_schema

ASIDE = {"rules", "freezes", "metrics"}  # names of threads
PATIENCE = 5.0  # seconds

# A statement is written as SQL once for all tests, though each opens a database of its own. SQLAlchemy keeps what it wrote by
# the dialect's object, of which every engine has another: here two of one kind are one.
_statements: dict[object, object] = {}
for _dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
    _dialect.__eq__ = lambda self, other: type(self) is type(other)
    _dialect.__hash__ = lambda self: hash(type(self))


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "guichet.db"
    create_schema(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_sqlite_template, tmp_path) -> str:
    """A file with the newest schema and no rows, for this test alone."""
    path = tmp_path / "guichet.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def empty_sqlite_url(tmp_path) -> str:
    """Where a database may be made; there is none yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """The test runs twice, once on each database."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_database_url(request) -> str:
    """As `database_url`, but without tables."""
    return request.getfixturevalue(f"empty_{request.param}_url")


def _do_not_wait_for_the_disk(connection, _record) -> None:
    """No test pulls the plug of this machine."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def database(database_url) -> Iterator[Database]:
    """Opened on `database_url`, closed afterwards."""
    opened = Database(make_engine(database_url))
    if database_url.startswith("sqlite"):
        event.listen(opened.engine, "connect", _do_not_wait_for_the_disk)
    opened.engine.update_execution_options(compiled_cache=_statements)
    before = set(threading.enumerate())
    yield opened
    # Those that ask the database beside a request whose patience is over: what they give back later
    # would be a connection of nobody's, which is never closed.
    for thread in set(threading.enumerate()) - before:
        if thread.name in ASIDE:
            thread.join(timeout=PATIENCE)
    opened.engine.dispose()
