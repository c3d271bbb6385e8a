"""What the processes of one node remember of the database, and how a change ends it in all of them.

A file that they share holds an epoch: some random bytes. Who remembers an answer notes the epoch as
it was *before* the database was asked. Each commit that changes what may be remembered writes a new
epoch, and with it everything noted under the one before is forgotten, in every process of the node.
Other nodes forget by time alone. Where the file cannot be shared, nothing is remembered.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

T = TypeVar("T")
log = logging.getLogger(__name__)

FILE = "epoch"  # in the data folder
BYTES = 16
MODE = 0o660  # the worker may be another user, of the same group; the folder keeps all others out
LASTS = 2.0  # seconds, from before the database was asked
MOST = 5_000  # answers that one process remembers
ENDS_BY = "ends_memory"  # in the `info` of a table, and of a session that did one of these
DELETE_ENDS = {"info": {ENDS_BY: frozenset({"delete"})}}
CHANGE_ENDS = {"info": {ENDS_BY: frozenset({"insert", "update", "delete"})}}
"""For `__table_args__`: which statements about the table end what is remembered."""


class NodeEpoch:
    """The epoch of this node, in a file of its data folder."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_told = False

    def read(self) -> bytes | None:
        """The epoch; None if nothing may be remembered: there is none yet, or no file to share."""
        try:
            # Also for writing, though it is only read: who cannot end an epoch remembers nothing.
            with _opened(self._file, os.O_RDWR) as opened:
                found = os.pread(opened, BYTES, 0)
        except FileNotFoundError:
            self._make()
            return None
        except OSError as error:
            self._tell(error)
            return None
        if len(found) == BYTES:
            return found
        self.renew()  # who made the file did not come to write it
        return None

    def renew(self) -> None:
        """End what the processes of this node remember. Never fails: time ends it as well."""
        try:
            with _opened(self._file, os.O_WRONLY) as opened:
                os.pwrite(opened, os.urandom(BYTES), 0)
        except FileNotFoundError:
            return  # nobody here remembers anything
        except OSError as error:  # it is another user's, or this process has too many files open
            self._tell(error)
            with suppress(OSError):
                self._file.unlink()

    def _make(self) -> None:
        try:
            with _opened(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY) as made:
                os.fchmod(made, MODE)
                os.pwrite(made, os.urandom(BYTES), 0)
        except FileExistsError:
            return  # another process was faster
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            log.warning("%s cannot be used: %s", self._file, error.strerror)
            self._is_told = True


@contextmanager
def _opened(file: Path, flags: int) -> Iterator[int]:
    opened = os.open(file, flags | os.O_CLOEXEC, MODE)
    try:
        yield opened
    finally:
        os.close(opened)


class ShortMemory(Generic[T]):
    """Answers of the database, for two seconds at most, and no longer than the epoch of the node."""

    def __init__(
        self, epoch: NodeEpoch | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Without `epoch`, nothing is remembered."""
        self._epoch, self._clock = epoch, clock
        self._held: dict[Hashable, tuple[bytes, float, T]] = {}
        self._storing = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], T | None]) -> T | None:
        """The answer that is remembered, or else that of `ask`, which is None for: not there."""
        epoch = self._epoch.read() if self._epoch is not None else None
        if epoch is None:
            return ask()
        began = self._clock()
        held = self._held.get(key)
        if held is not None and held[0] == epoch and began - held[1] < LASTS:
            return held[2]
        answer = ask()
        if answer is not None:
            self._store(key, (epoch, began, answer))
        return answer

    def _store(self, key: Hashable, entry: tuple[bytes, float, T]) -> None:
        with self._storing:
            self._held.pop(key, None)
            self._held[key] = entry
            # The earliest come first: whoever asks nothing more is not kept in memory.
            while (first := next(iter(self._held))) != key:
                if len(self._held) <= MOST and entry[1] - self._held[first][1] < LASTS:
                    break
                del self._held[first]


def ends_memory(session: Session) -> bool:
    """Whether this session has changed what may be remembered."""
    return ENDS_BY in session.info


@event.listens_for(Session, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if state.is_delete or state.is_update or state.is_insert:
        verb = "delete" if state.is_delete else "update" if state.is_update else "insert"
        _note(state.session, getattr(state.statement, "table", None), verb)


@event.listens_for(Session, "after_flush")
def _note_objects(session: Session, _context: object) -> None:
    for verb, objects in (
        ("insert", session.new),
        ("update", session.dirty),
        ("delete", session.deleted),
    ):
        for each in objects:
            _note(session, each.__table__, verb)


def _note(session: Session, table: Any, verb: str) -> None:
    if table is not None and verb in table.info.get(ENDS_BY, ()):
        session.info[ENDS_BY] = True
