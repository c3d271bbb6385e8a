"""Showing that work goes on: a bar on a terminal, elsewhere a line every ten seconds; never on stdout."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from .printing import talk

QUIET = 10.0  # seconds between two lines

T = TypeVar("T")


def followed(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """The items, while the progress through them is shown."""
    if sys.stderr.isatty():
        console = Console(stderr=True)
        yield from track(items, what, total=total, console=console, transient=True)
        return
    said_at = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said_at >= QUIET:
            said_at = time.monotonic()
            talk(f"{what}: {number} of {total}")
        yield item
