"""Notices that the database is older than what this process has seen: a backup was loaded.

Jobs that such a database calls waiting may have been done. So nothing is leased any more until an
operator has run `guichet restore begin` and `resume`.

The database has a position that only moves on: the epoch, which each restore raises, and a count
that workers raise with every heartbeat. A process that has seen a later position of the same
database knows that it went back. Workers keep the last position in a file, for their next start.
"""

import json
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting
from .database import Base
from .private_files import private_file

log = logging.getLogger(__name__)

THE_ROW = 1
NAME_BYTES = 8
WENT_BACK = "the database is older than what this machine has seen: was a backup loaded?"


class Installation(Base):
    """The one row about this database as a whole."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]  # random: another database is not an older one
    epoch: Mapped[int]  # of the last restore: seconds since 1970; 0 before the first
    ticks: Mapped[int]
    held_since: Mapped[datetime | None]  # since then no job is leased
    held_why: Mapped[str]
    restored_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]  # of the last good `guichet backup check`
    backup_of: Mapped[datetime | None]  # when the backup that it saw was made


@dataclass(frozen=True, order=True)
class Position:
    """How far the database of this name has come."""

    name: str
    epoch: int
    ticks: int

    def is_before(self, other: "Position") -> bool:
        """Whether this is the same database at an earlier moment."""
        return self.name == other.name and (self.epoch, self.ticks) < (other.epoch, other.ticks)


class LastSeen:
    """The latest position that this process, or this machine before it, has seen."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: where it is written down; None: nowhere."""
        self._path = path
        self._latest: Position | None = None
        self._was_read = False

    def is_after(self, found: Position) -> bool:
        """Whether a later position of the same database was seen before this one."""
        latest = self._known()
        return latest is not None and found.is_before(latest)

    def remember(self, found: Position) -> None:
        """Remember it in this process."""
        latest = self._known()
        if latest is None or latest.name != found.name or latest.is_before(found):
            self._latest = found

    def store(self) -> None:
        """Write it down for the next start. Raises OSError."""
        latest = self._known()
        if latest is None or self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        private_file(draft)
        try:
            draft.write_text(json.dumps([latest.name, latest.epoch, latest.ticks]))
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _known(self) -> Position | None:
        if not self._was_read:
            self._was_read = True
            self._latest = self._read()
        return self._latest

    def _read(self) -> Position | None:
        if self._path is None:
            return None
        try:
            name, epoch, ticks = json.loads(self._path.read_text())
            return Position(str(name), int(epoch), int(ticks))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read and counts for nothing: %s", self._path, error)
            return None


def find(session: Session) -> Installation | None:
    """The row; None before the first worker of this database."""
    return session.get(Installation, THE_ROW, populate_existing=True)


def make_if_missing(session: Session) -> Installation:
    """The row, made with a new name if there is none."""
    first = {
        "id": THE_ROW,
        "name": secrets.token_hex(NAME_BYTES),
        "epoch": 0,
        "ticks": 0,
        "held_why": "",
    }
    inserting.insert_if_new(session, Installation, first)
    return session.get_one(Installation, THE_ROW, populate_existing=True)


def position_of(row: Installation) -> Position:
    """The position of the database."""
    return Position(row.name, row.epoch, row.ticks)


def tick(session: Session) -> Position:
    """Move the position on."""
    make_if_missing(session)
    session.execute(
        update(Installation)
        .where(Installation.id == THE_ROW)
        .values(ticks=Installation.ticks + 1)
        .execution_options(synchronize_session=False)
    )
    return position_of(session.get_one(Installation, THE_ROW, populate_existing=True))


def check(session: Session, now: datetime, last_seen: LastSeen) -> bool:
    """Whether jobs may be leased. If the database went back, hold them, which the caller commits."""
    row = find(session)
    if row is None:
        return True
    found = position_of(row)
    if last_seen.is_after(found):
        if row.held_since is None:
            log.error("%s Nothing is sent: guichet restore begin", WENT_BACK)
            hold(row, now, WENT_BACK)
        return False
    last_seen.remember(found)
    return row.held_since is None


def hold(row: Installation, now: datetime, why: str) -> None:
    """Let nobody lease a job from now on."""
    row.held_since, row.held_why = row.held_since or now, why


def begin_epoch(session: Session, now: datetime) -> Installation:
    """Begin the next epoch, later than all that any process has seen; jobs are held."""
    row = make_if_missing(session)
    row.epoch = max(row.epoch + 1, int(now.timestamp()))
    row.restored_at = now
    return row


def let_go(row: Installation) -> None:
    """Let jobs be leased again."""
    row.held_since, row.held_why = None, ""
