"""What else the machine did while a suite ran: figures of a busy one are read with care."""

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processor_time import TICKS, used_seconds

QUIET = 0.05  # of the processors, that others may have used


@dataclass(frozen=True)
class Processors:
    """Seconds of all processors since the machine was started."""

    busy: float
    stolen: float  # used by other machines of the same host


def read_processors(stat: str) -> Processors:
    """`stat`: the text of /proc/stat, see proc(5)."""
    user, nice, system, _idle, _iowait, irq, softirq, stolen = (
        int(each) / TICKS for each in stat.split("\n", 1)[0].split()[1:9]
    )
    return Processors(user + nice + system + irq + softirq, stolen)


@contextmanager
def watched() -> Iterator[dict[str, Any]]:
    """Fills the dictionary, once the block has ended, with what results.json keeps of the machine.

    `load`: averages of the last minute, before and after. `others`, `stolen`: shares of all
    processors that processes of others and other machines used meanwhile. `seconds`: of the block.
    """
    found: dict[str, Any] = {"cores": os.cpu_count(), "python": platform.python_version()}
    load, began, (processors, ours) = os.getloadavg()[0], time.monotonic(), _used()
    yield found
    seconds = time.monotonic() - began
    after, ours_after = _used()
    there_was = seconds * (os.cpu_count() or 1)
    others = after.busy - processors.busy - (ours_after - ours)
    found |= {
        "load": [round(each, 2) for each in (load, os.getloadavg()[0])],
        "others": round(max(others, 0) / there_was, 3),
        "stolen": round((after.stolen - processors.stolen) / there_was, 3),
        "seconds": round(seconds),
    }


def is_quiet(machine: Mapping[str, Any]) -> bool:
    """Whether hardly anything but the bench ran, so that its rates may be believed."""
    return bool(machine["others"] + machine["stolen"] <= QUIET)


def _used() -> tuple[Processors, float]:
    """Of the machine, and of that the bench with all that it started."""
    stat = Path("/proc/stat").read_text(encoding="utf-8")
    return read_processors(stat), used_seconds([os.getpid()])
