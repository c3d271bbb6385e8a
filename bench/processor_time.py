"""Processor time that processes have used, from /proc."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.services.children import children_of

TICKS = os.sysconf("SC_CLK_TCK")  # in a second


def used_seconds(pids: Iterable[int]) -> float:
    """The processor seconds of these processes and all their children, ended ones included."""
    return sum(map(_ticks, pids)) / TICKS


def read_ticks(stat: str) -> int:
    """User and system time of a process and of its ended children, in ticks.

    `stat`: the text of /proc/PID/stat, see proc(5). The name in it may have blanks and brackets.
    """
    after_name = stat.rpartition(")")[2].split()
    return sum(map(int, after_name[11:15]))  # utime, stime, cutime, cstime


def _ticks(pid: int) -> int:
    ticks = sum(map(_ticks, children_of(pid)))
    # One that has ended since: its time is its parent's now.
    with suppress(FileNotFoundError, ProcessLookupError):
        ticks += read_ticks(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))
    return ticks
