"""When this worker last looked for each kind of work, known to all its processes."""

import mmap
import struct
import time

from identity.core.outbox import Lane

PASSWORDS = "passwords"  # typed passwords that nobody took, which are looked for as often
TIMETABLE = "timetable"  # tasks of the timetable whose message did not come
PROVIDER = "provider"  # whether the OpenID provider of operators is to be read anew
_NAMES: tuple[str, ...] = (*Lane, PASSWORDS, TIMETABLE, PROVIDER)
_TIME = struct.Struct("d")  # by the monotonic clock, which all processes of a machine share
_memory = mmap.mmap(-1, _TIME.size * len(_NAMES))  # shared with the processes that are forked


def record(name: str) -> None:
    """Record that a look begins now."""
    _TIME.pack_into(_memory, _place(name), time.monotonic())


def is_older(name: str, seconds: float) -> bool:
    """Whether the last look began longer ago than this, or there was none."""
    (began,) = _TIME.unpack_from(_memory, _place(name))
    return not began or time.monotonic() - began >= seconds


def _place(name: str) -> int:
    return _NAMES.index(name) * _TIME.size
