"""Shows progress on stderr: a bar on a terminal, otherwise a line every ten seconds."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from .printing import print_message

QUIET = 10.0  # seconds between two lines

T = TypeVar("T")


def track_progress(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Yield the items, showing the progress through them."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415  it is for terminals, and slow to load
        from rich.progress import track  # noqa: PLC0415  only who waits at a terminal sees it

        console = Console(stderr=True)
        yield from track(items, what, total=total, console=console, transient=True)
        return
    said_at = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said_at >= QUIET:
            said_at = time.monotonic()
            print_message(f"{what}: {number} of {total}")
        yield item
