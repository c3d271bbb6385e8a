"""How many runs of a lane one worker has at once, so that every lane gets a process of the pool.

Each slot is a locked byte of an unnamed file that the worker's processes inherit. The system frees
the lock when its process dies, however it dies. Such a lock belongs to a process, so a process
remembers which ones its own threads hold.
"""

import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from identity.core.outbox import Lane

JOBS = "jobs"  # the tasks of the timetable beside the lanes
SLOTS: dict[str, int] = {Lane.URGENT: 2, Lane.NORMAL: 1, Lane.BULK: 1, Lane.ACCOUNTS: 4, JOBS: 1}
POOL = sum(SLOTS.values())
"""The number of processes of a worker, unless the operator sets fewer."""

with tempfile.TemporaryFile() as _made:
    _file = os.dup(_made.fileno())  # open as long as the worker lives


@dataclass
class Pool:
    """The size of the worker's pool, which its processes inherit."""

    size: int = POOL


_pool = Pool()
_held_here: set[int] = set()  # by the threads of this process
_one_at_a_time = threading.Lock()


def share(size: int) -> None:
    """Set the size of the pool, before its processes are created.

    All lanes but the urgent one leave one process free.
    """
    _pool.size = size


@contextmanager
def slot(name: str) -> Iterator[bool]:
    """Take a slot of a lane, or of the timetable's tasks, until the block ends.

    Yields whether there was one.
    """
    first = POOL * list(SLOTS).index(name)
    with ExitStack() as held:
        is_free = _hold(held, range(first, first + SLOTS[name]))
        if is_free and name != Lane.URGENT:
            shared = POOL * len(SLOTS)
            is_free = _hold(held, range(shared, shared + max(1, _pool.size - 1)))
        yield is_free


def _hold(held: ExitStack, numbers: range) -> bool:
    number = next((n for n in numbers if _lock(n)), None)
    if number is None:
        return False
    held.callback(_unlock, number)
    return True


def _lock(number: int) -> bool:
    with _one_at_a_time:
        if number in _held_here:
            return False
        try:
            fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        _held_here.add(number)
        return True


def _unlock(number: int) -> None:
    with _one_at_a_time:
        _held_here.discard(number)
        fcntl.lockf(_file, fcntl.LOCK_UN, 1, number)
