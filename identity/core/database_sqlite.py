"""SQLite: the engine, whose file is ours alone, and what is left of rows that were deleted."""

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, make_url

from .private_files import narrow_if_there, private_file
from .sqlite_turns import CONNECT_ARGS, queue_writers

BEGINNING = b"SQLite format 3\0"  # of its files


def make_sqlite_engine(url: str) -> Engine:
    """An engine for a file of SQLite, which is made readable by this user only, or for its memory."""
    _keep_private(make_url(url).database)
    engine = create_engine(url, connect_args=CONNECT_ARGS, hide_parameters=True)
    queue_writers(engine)
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
