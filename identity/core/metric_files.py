"""The folder in which the processes of one kind keep their metrics, so that one can show all.

Each process holds a slot: a number, with a lock that the system frees when the process ends,
however it ends. The files of a slot go on when another process takes it, so counters never fall and
there are no more files than there were processes at once. The first process to come, when no other
lives, empties the folder.
"""

import errno
import fcntl
import logging
import os
import re
import shutil
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from prometheus_client import Metric, values
from prometheus_client.multiprocess import MultiProcessCollector

from . import metrics
from .private_files import private_folder

log = logging.getLogger(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # of prometheus_client, which reads it when it opens files
# Written in full beforehand: a file that cannot grow on a full disk would kill its process.
SIZES = {"counter": 256 * 1024, "histogram": 512 * 1024, "gauge_livemin": 64 * 1024}
DOOR = "door.lock"
PAUSE = 0.02  # seconds
MAX_WAIT = 5.0  # seconds for the other processes that come at the same moment
OURS = re.compile(r"\d+\.lock|\w+_\d+\.db")
# What the library raises for a file that is not whole.
UNREADABLE = (RuntimeError, ValueError, OSError, struct.error)
LEFT_BEHIND = "guichet-metrics-"

_joined: list["MetricFolder"] = []


class Slot:
    """The number under which this process writes. Each process of a fork takes one of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[int, int] | None = None  # the file descriptor of the lock, the number

    def number(self) -> int:
        """The slot of this process, taken now if it has none. Raises OSError."""
        if self._held is None:
            self._held = self._take()
        return self._held[1]

    def leave(self) -> None:
        """In the child of a fork: the slot is the parent's."""
        if self._held is not None:
            os.close(self._held[0])
            self._held = None

    def _take(self) -> tuple[int, int]:
        for number in count():
            lock = _lock(self._folder / f"{number}.lock")
            if lock is not None:
                try:
                    self._prepare(number)
                except OSError:
                    os.close(lock)
                    raise
                return lock, number
        raise AssertionError("unreachable")

    def _prepare(self, number: int) -> None:
        for path in self._folder.glob(f"gauge_live*_{number}.db"):
            path.unlink(missing_ok=True)  # of the process before
        for prefix, size in SIZES.items():
            path = self._folder / f"{prefix}_{number}.db"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(file).st_size == 0:
                    os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)


class MetricFolder:
    """A folder that this process writes its metrics to, and can show."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def collect(self) -> Iterable[Metric]:
        """What all processes of the folder have counted, those that have ended included."""
        for number in self._dead():
            for path in self.path.glob(f"gauge_live*_{number}.db"):
                path.unlink(missing_ok=True)
        files = [str(path) for path in sorted(self.path.glob("*.db"))]
        try:
            return _merge(files)
        except UNREADABLE:
            return _merge([file for file in files if _is_readable(file)])

    def _dead(self) -> Iterator[int]:
        """The slots nobody holds, each kept free while it is looked at."""
        for path in self.path.glob("[0-9]*.lock"):
            lock = _lock(path)
            if lock is not None:
                try:
                    yield int(path.stem)
                finally:
                    os.close(lock)


def joined() -> MetricFolder | None:
    """The folder of this process; None if it counts in its memory."""
    return _joined[0] if _joined else None


def shared_folder(data_dir: Path, kind: str) -> Path:
    """Where the processes of a kind keep their metrics: PROMETHEUS_MULTIPROC_DIR, or our data."""
    given = os.environ.get(VARIABLE)
    base = Path(given) if given else data_dir.resolve() / "metrics"
    return base if base.name == kind else base / kind


def join(folder: Path) -> MetricFolder:
    """Keep the metrics of this process, and of its children, in the folder from now on.

    If it cannot be used, they are kept in a folder of this process alone, with a warning.
    """
    try:
        private_folder(folder)
        with _door(folder):
            if not _lives(folder):
                _empty(folder)
            return _enter(folder)
    except OSError as error:
        log.warning("metrics: %s cannot be used: %s", folder, error.strerror)
    return join_own()


def join_own() -> MetricFolder:
    """Keep the metrics of this process and of its children in a folder of their own.

    Folders of processes that were killed are removed.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{LEFT_BEHIND}*"):
        with suppress(OSError):
            if old.stat().st_uid == os.geteuid() and not _lives(old):
                shutil.rmtree(old)
    return _enter(Path(tempfile.mkdtemp(prefix=LEFT_BEHIND)))


def _enter(folder: Path) -> MetricFolder:
    os.environ[VARIABLE] = str(folder)
    slot = Slot(folder)
    value_class = values.MultiProcessValue(process_identifier=slot.number)  # takes the slot
    os.register_at_fork(after_in_child=slot.leave)
    metrics.keep_values_in(value_class)
    _joined[:] = [MetricFolder(folder)]
    return _joined[0]


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """One process at a time looks whether others live. Raises OSError if it takes too long."""
    ends_at = time.monotonic() + MAX_WAIT
    while (held := _lock(folder / DOOR)) is None:
        if time.monotonic() > ends_at:
            raise TimeoutError(errno.ETIMEDOUT, "another process holds its door")
        time.sleep(PAUSE)
    try:
        yield
    finally:
        os.close(held)


def _lives(folder: Path) -> bool:
    """Whether any process holds a slot of the folder."""
    for path in folder.glob("[0-9]*.lock"):
        lock = _lock(path)
        if lock is None:
            return True
        os.close(lock)
    return False


def _empty(folder: Path) -> None:
    """Delete what earlier processes left, and nothing that is not ours."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _lock(path: Path) -> int | None:
    """The file, locked until it is closed or the process ends; None if another one has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


def _merge(files: list[str]) -> Iterable[Metric]:
    merged: Iterable[Metric] = MultiProcessCollector.merge(files)
    return merged


def _is_readable(file: str) -> bool:
    """Whether the file of a process that was killed is whole."""
    try:
        _merge([file])
    except UNREADABLE:
        log.warning("metrics: %s cannot be read, and is left out", file)
        return False
    return True
