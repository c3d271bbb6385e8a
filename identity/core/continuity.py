"""Notices that the database is older than what this machine has seen: a backup was loaded.

Jobs that such a database calls waiting may have been done. So nothing is leased any more until an
operator has run `guichet restore begin` and `resume`.

The database has a position that only moves on: the epoch, which each restore raises, and a count
that workers raise with every heartbeat. Whoever has seen a later position of the same database
knows that it went back. Each machine with a worker keeps the latest position in a file, which all
its processes read, also after a restart.
"""

import logging
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import BigInteger, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import nodes
from .database import Base
from .nodes import NodeKind
from .private_files import private_file

log = logging.getLogger(__name__)

THE_ROW = 1
TOLERATED = 1
"""How many heartbeats of each worker may be lost, about ten seconds: nothing is held then.

A replica took over that was a moment behind. Jobs of that time may be done twice, as after the
death of a worker.
"""
MAX_DATABASES = 20  # remembered by one machine
WENT_BACK: Final = "the database is older than what a machine has seen: was a backup loaded?"
BEGUN: Final = "guichet restore begin was run: see guichet restore plan, then resume"
MISSING: Final = "the database has no row about itself: is a backup being loaded just now?"


class Installation(Base):
    """The one row about this database as a whole. The migration that makes the table makes it."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]  # random: another database is not an older one
    made_at: Mapped[datetime]
    epoch: Mapped[int] = mapped_column(BigInteger)  # of the last restore: seconds since 1970, or 0
    ticks: Mapped[int] = mapped_column(BigInteger)
    held_since: Mapped[datetime | None]  # since then no job is leased
    held_why: Mapped[str]
    # The position that was seen before the database went back: a later restore is another one.
    held_epoch: Mapped[int] = mapped_column(BigInteger)
    held_ticks: Mapped[int] = mapped_column(BigInteger)
    restored_at: Mapped[datetime | None]  # when `restore begin` was run last
    ahead_at: Mapped[datetime | None]  # when a module last knew more than this database
    ahead: Mapped[str]  # its homeserver
    checked_at: Mapped[datetime | None]  # of the last good `guichet backup check`
    backup_of: Mapped[datetime | None]  # when the backup that it saw was made


class Position(NamedTuple):
    """How far a database has come: it only grows."""

    epoch: int
    ticks: int


STORED: Final = TypeAdapter(dict[str, Position])


class LastSeen:
    """The latest position of each database that this process, or another of its machine, has seen.

    A process that is idle, or has just begun, thus knows what the others have seen. One process of
    a machine stores. Several threads may ask at once: what is known is replaced as a whole.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path`: where it is written down; None: nowhere."""
        self._path = path
        self._latest: dict[str, Position] = {}
        self._read: tuple[int, int] | None = None  # which file was read: inode, time in ns
        self._is_unreadable = False

    def latest(self, name: str) -> Position | None:
        """The latest position of the database of this name."""
        self._read_if_new()
        return self._latest.get(name)

    def remember(self, name: str, found: Position) -> None:
        """Remember a position that is committed: one that was rolled back would seem lost."""
        latest = self.latest(name)
        if latest is None or latest <= found:
            self.accept(name, found)

    def accept(self, name: str, found: Position) -> None:
        """Remember this position, also if a later one was seen."""
        others = {each: latest for each, latest in self._latest.items() if each != name}
        self._latest = others | {name: found}  # the last one is the newest

    def store(self) -> None:
        """Write it down for the other processes of this machine. Raises OSError."""
        self._read_if_new()
        if self._path is None or not self._latest:
            return
        kept = dict(list(self._latest.items())[-MAX_DATABASES:])
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            private_file(draft)
            draft.write_bytes(STORED.dump_json(kept))
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _read_if_new(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            if self._read == (status.st_ino, status.st_mtime_ns):
                return
            stored = STORED.validate_json(self._path.read_bytes())
        except (FileNotFoundError, PermissionError):  # of the worker's user: others do without
            return
        except (OSError, ValidationError) as error:
            if not self._is_unreadable:
                log.warning(
                    "%s cannot be read, and counts for nothing: %s",
                    self._path,
                    type(error).__name__,
                )
            self._is_unreadable = True
            return
        self._is_unreadable = False
        for name, position in stored.items():
            latest = self._latest.get(name)
            if latest is None or latest < position:
                self.accept(name, position)
        # At the end: another thread that sees it may rely on what was read.
        self._read = (status.st_ino, status.st_mtime_ns)


def find(session: Session) -> Installation | None:
    """The row; None while a backup is being loaded."""
    return session.get(Installation, THE_ROW, populate_existing=True)


def position_of(row: Installation) -> Position:
    """The position of the database."""
    return Position(row.epoch, row.ticks)


def tick(session: Session) -> Position | None:
    """Move the position on. Remember it once it is committed. None without the row."""
    moved = session.execute(
        update(Installation)
        .where(Installation.id == THE_ROW)
        .values(ticks=Installation.ticks + 1)
        .returning(Installation.epoch, Installation.ticks)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Position(moved.epoch, moved.ticks) if moved else None


def check(session: Session, now: datetime, last_seen: LastSeen) -> bool:
    """Whether jobs may be leased. If the database went back, hold them, which the caller commits."""
    row = find(session)
    if row is None:
        # Not made here: a backup that is being loaded brings its own.
        log.error(MISSING)
        return False
    found, latest = position_of(row), last_seen.latest(row.name)
    if latest is not None and latest > found:
        # Another process may have moved it on, and told, after the row was read: read it again.
        row = find(session) or row
        found = position_of(row)
    if latest is None or latest <= found:
        last_seen.remember(row.name, found)
        return row.held_since is None
    if latest.epoch == found.epoch and latest.ticks - found.ticks <= _tolerated(session, now):
        log.error("the database lost some seconds: mails that left meanwhile may leave twice")
        last_seen.accept(row.name, found)
        return row.held_since is None
    if row.held_since is None or (row.held_epoch, row.held_ticks) < latest:
        log.error("%s Nothing is sent: guichet restore begin", WENT_BACK)
        # A backup may have been made while jobs were held, for another reason and since earlier.
        row.held_since = now
        row.held_why = WENT_BACK
        row.held_epoch, row.held_ticks = latest
    return False


def was_restored_after(session: Session, moment: datetime) -> bool:
    """Whether a backup was loaded since then: what the database says of that time is not all."""
    row = find(session)
    return row is not None and row.restored_at is not None and row.restored_at >= moment


def begin_epoch(session: Session, row: Installation, now: datetime) -> None:
    """Begin an epoch that is later than all that any process has seen."""
    row.epoch = max(row.epoch + 1, row.held_epoch + 1, int(now.timestamp()))
    row.ahead_at, row.ahead = None, ""
    session.flush()


def record_backup(session: Session, now: datetime, made_at: datetime) -> None:
    """Record that a backup made then was looked at, and that the keys open what is stored."""
    row = find(session)
    if row is not None:
        row.checked_at, row.backup_of = now, made_at


def let_go(row: Installation) -> None:
    """Let jobs be leased again."""
    row.held_since, row.held_why = None, ""


def record_module_ahead(session: Session, now: datetime, homeserver: str) -> None:
    """Record that a homeserver's module knows more than the database, as after a restore."""
    log.error("the module in %s knows more than the database: was a backup loaded?", homeserver)
    row = find(session)
    if row is not None:
        row.ahead_at, row.ahead = now, homeserver
        session.flush()


def _tolerated(session: Session, now: datetime) -> int:
    return TOLERATED * max(1, len(nodes.find_alive(session, now, NodeKind.WORKER)))
