"""Transactions on SQLite: one writer at a time, and those of a process in the order of asking.

SQLite lets a writer wait by sleeping and trying again, ever longer: whoever comes later and asks at
the right moment is served first, and some wait for seconds. So the threads of a process queue before
they ask. Between processes SQLite decides.
"""

import os
import sqlite3
import threading
from collections import deque
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection, Engine, event

BUSY_TIMEOUT = 5.0  # seconds a writer waits for another one
READS_ONLY = "guichet_reads_only"  # among the execution options of a connection


class Turns:
    """A queue of threads: one has the turn, and whoever gives it back gives it to the next."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # nobody of the process before is there

    def _begin(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()  # each is released when its turn has come

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, within: float) -> bool:
        """Wait for the turn. False if it did not come within so many seconds."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            if mine.acquire(timeout=within):
                return True
        except BaseException:  # raised by a signal, as KeyboardInterrupt is
            if not self._leave(mine):
                self.give()
            raise
        return not self._leave(mine)

    def _leave(self, mine: threading.Lock) -> bool:
        """Wait no longer. False if the turn came at the last moment."""
        with self._guard:
            if mine not in self._waiting:
                return False
            self._waiting.remove(mine)
            return True

    def give(self) -> None:
        """Give it back."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


class QueuedConnection(sqlite3.Connection):
    """A connection that has the turn from before its BEGIN until its transaction has ended."""

    turns: Turns | None = None  # that it has

    def take_turn(self, turns: Turns) -> bool:
        """Wait for the turn as long as SQLite would for its lock. False if it did not come."""
        if not turns.take(BUSY_TIMEOUT):
            return False
        self.turns = turns
        return True

    def give_turn(self) -> None:
        """Give it back, if it has it."""
        turns, self.turns = self.turns, None
        if turns is not None:
            turns.give()

    def commit(self) -> None:
        super().commit()  # if it fails, the transaction goes on until its rollback
        self.give_turn()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self.give_turn()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.give_turn()


CONNECT_ARGS = {"timeout": BUSY_TIMEOUT, "factory": QueuedConnection}


def queue_writers(engine: Engine) -> None:
    """Begin all transactions of this engine, made with `CONNECT_ARGS`; writers queue for it."""
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", partial(_begin, Turns()))


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver sends BEGIN only at the first write: `_begin` sends it earlier.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten in the file


def _begin(turns: Turns, connection: Connection) -> None:
    # BEGIN IMMEDIATE: else two transactions that read first and write later could deadlock, or
    # lease the same job.
    if connection.get_execution_options().get(READS_ONLY, False):
        connection.exec_driver_sql("BEGIN")
        return
    own = cast("QueuedConnection", connection.connection.driver_connection)
    if own.take_turn(turns):
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            own.give_turn()
            raise
        return
    # It has waited long enough: SQLite says so in its own words, unless it is free by now.
    own.execute("PRAGMA busy_timeout = 0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        own.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
