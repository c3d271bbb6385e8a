"""SQLite: its file is ours alone, and a transaction that may write is the one writer from its beginning."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from .private_files import narrow_if_there, private_file

BEGINNING = b"SQLite format 3\0"  # of its files
BUSY_TIMEOUT = 5.0  # seconds a writer waits for another one
READS_ONLY = "guichet_reads_only"  # an execution option of connections: they wait for no writer


def make_sqlite_engine(url: str) -> Engine:
    """An engine for a file of SQLite, which is made readable by this user only, or for its memory."""
    _keep_private(make_url(url).database)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def overwrite_deleted(connection: Connection) -> None:
    """Leave nothing of deleted rows in the write-ahead log. In the file itself they are overwritten."""
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        connection.rollback()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _keep_private(file: str | None) -> None:
    if not file or file.startswith((":memory:", "file:")) or not Path(file).parent.is_dir():
        return
    if not _is_ours(Path(file)):
        return  # a slip in the URL: SQLite refuses it, and its other readers need it as it is
    private_file(Path(file))  # SQLite gives the files beside it the same mode
    for beside in ("-wal", "-shm", "-journal"):
        narrow_if_there(Path(file + beside))


def _is_ours(file: Path) -> bool:
    """Whether it is a database of SQLite, or is to become one: it is empty, or not there yet."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(BEGINNING)) in {b"", BEGINNING}
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver sends BEGIN only at the first write: `_begin` sends it earlier.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten in the file


def _begin(connection: Connection) -> None:
    # BEGIN IMMEDIATE: else two transactions that read first and write later could deadlock, or
    # lease the same job.
    reads_only = connection.get_execution_options().get(READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
