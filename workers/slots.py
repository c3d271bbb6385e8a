"""How many runs of a lane one worker has at once, so that each lane finds a place in its pool, and codes always do.

Each slot is a byte of one nameless file that the worker's processes inherit. The system frees a lock
when its process dies, however it dies.
"""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from identity.core.outbox import Lane

JOBS = "jobs"  # what the timetable does beside the lanes
SLOTS: dict[str, int] = {Lane.URGENT: 2, Lane.NORMAL: 1, Lane.BULK: 1, Lane.ACCOUNTS: 4, JOBS: 1}
POOL = sum(SLOTS.values())
"""Processes of a worker, unless an operator wants fewer."""

_file = tempfile.TemporaryFile()  # noqa: SIM115  as long as the worker lives


@dataclass
class Pool:
    """The worker's processes, which inherit this too."""

    size: int = POOL


_pool = Pool()


def share(size: int) -> None:
    """Before the processes are made: how many there are. All but the urgent lane leave one of them free."""
    _pool.size = size


@contextmanager
def slot(name: str) -> Iterator[bool]:
    """Whether a lane, or the jobs, had a slot left; it is held until the block ends."""
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
    held.callback(fcntl.lockf, _file, fcntl.LOCK_UN, 1, number)
    return True


def _lock(number: int) -> bool:
    try:
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError:
        return False
    return True
