"""Showing that work goes on: a bar on a terminal, elsewhere a line every ten seconds; never on stdout."""

import sys
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import track

from .printing import talk

QUIET = 10.0  # seconds between two lines


def followed(lines: Sequence[str], what: str) -> Iterator[str]:
    """The lines, while their progress is shown."""
    if sys.stderr.isatty():
        yield from track(lines, what, console=Console(stderr=True), transient=True)
        return
    said_at = time.monotonic()
    for number, line in enumerate(lines):
        if time.monotonic() - said_at >= QUIET:
            said_at = time.monotonic()
            talk(f"{what}: {number} of {len(lines)}")
        yield line
