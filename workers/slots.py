"""How many runs of a lane one worker has at once: the other lanes keep their places in its pool.

Each slot is a byte of one nameless file that the worker's processes inherit. The system frees a lock
when its process dies, however it dies.
"""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from identity.storage.outbox import Lane

SLOTS = {Lane.ACCOUNTS: 4}
"""Of the lanes that are limited; the others share what is left of the pool."""

POOL = len([lane for lane in Lane if lane not in SLOTS]) + sum(SLOTS.values())

_file = tempfile.TemporaryFile()  # noqa: SIM115  as long as the worker lives


@contextmanager
def slot(lane: Lane) -> Iterator[bool]:
    """Whether there was a slot left; it is held until the block ends."""
    number = next((n for n in range(SLOTS.get(lane, 0)) if _lock(n)), None)
    try:
        yield lane not in SLOTS or number is not None
    finally:
        if number is not None:
            fcntl.lockf(_file, fcntl.LOCK_UN, 1, number)


def _lock(number: int) -> bool:
    try:
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError:
        return False
    return True
