"""Of the threads that write to SQLite, each gets its turn in the order of asking, or is told so."""

import signal
import sqlite3
import threading
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from identity.core import sqlite_turns
from identity.core.database import Database, make_engine
from identity.core.sqlite_turns import Turns
from tests.services.waiting import wait_for

SHORT = 0.05  # seconds
WRITE = text("insert into written values ('somebody')")


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "guichet.db"
    with closing(sqlite3.connect(found)) as connection:
        connection.execute("create table written (who text)")
    return found


@pytest.fixture
def impatient(file, monkeypatch):
    """A database whose writers wait only for a moment."""
    monkeypatch.setattr(sqlite_turns, "BUSY_TIMEOUT", SHORT)
    monkeypatch.setitem(sqlite_turns.CONNECT_ARGS, "timeout", SHORT)
    database = Database(make_engine(f"sqlite:///{file}"))
    yield database
    database.engine.dispose()


def write(database) -> None:
    with database.transaction() as session:
        session.execute(WRITE)


def test_turns_come_in_the_order_of_asking():
    turns, came = Turns(), []

    def work(name: str) -> None:
        assert turns.take(60)
        came.append(name)
        turns.give()

    assert turns.take(60)
    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for number, thread in enumerate(threads, 1):
        thread.start()
        wait_for(lambda number=number: len(turns) == number, what="it queues")
    turns.give()
    for thread in threads:
        thread.join()
    assert came == list("abcdefgh")


def test_who_waits_no_longer_is_passed_over():
    turns = Turns()
    assert turns.take(60)
    assert not turns.take(0)
    assert not len(turns)
    turns.give()
    assert turns.take(0)


class Interrupted(BaseException):
    """As KeyboardInterrupt is, which ends a whole run of tests."""


def test_who_is_interrupted_while_waiting_gets_no_turn():
    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    turns, main = Turns(), threading.get_ident()

    def disturb():
        wait_for(lambda: len(turns) == 1, what="it queues")
        signal.pthread_kill(main, signal.SIGUSR1)

    assert turns.take(60)
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            turns.take(60)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert not len(turns)
    turns.give()
    assert turns.take(0)


def test_who_waits_too_long_for_another_thread_is_told_so_as_by_sqlite(impatient):
    with ExitStack() as open_until:
        session = open_until.enter_context(impatient.transaction())
        session.execute(WRITE)
        with pytest.raises(OperationalError, match="database is locked"):
            write(impatient)
    write(impatient)


def test_who_waits_too_long_for_another_process_does_not_keep_the_turn(impatient, file):
    with closing(sqlite3.connect(file, isolation_level=None)) as another:
        another.execute("begin immediate")
        with pytest.raises(OperationalError, match="database is locked"):
            write(impatient)
        another.execute("rollback")
    write(impatient)


@pytest.mark.parametrize("how", ["commit", "rollback", "invalidate", "close"])
def test_the_turn_ends_with_the_transaction(impatient, how):
    with impatient.engine.connect() as connection:
        connection.execute(WRITE)
        getattr(connection, how)()
        write(impatient)  # it is not told that the database is locked
    with impatient.reading() as session:
        written = session.scalar(text("select count(*) from written"))
    assert written == (2 if how == "commit" else 1)


def test_who_reads_waits_for_no_turn(impatient):
    with impatient.transaction() as session:
        session.execute(WRITE)
        with impatient.reading() as other:
            assert other.scalar(text("select count(*) from written")) == 0
