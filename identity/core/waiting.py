"""Tries work where nothing may wait, as in the event loop of the web: what would wait is refused.

Whoever is about to wait for a database or another service says so by `about_to_wait`. In a block of
`nothing_waits`, that ends the work by `WouldWait`, and it is done again elsewhere. So what is tried
must not have changed anything before.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class WouldWait(BaseException):
    """What is tried came to where it would wait. Nobody but the block around it handles this."""


class _Here(threading.local):
    nothing_waits = False


_here = _Here()


@contextmanager
def nothing_waits() -> Iterator[None]:
    """A block of this thread in which `about_to_wait` raises WouldWait."""
    _here.nothing_waits = True
    try:
        yield
    finally:
        _here.nothing_waits = False


def about_to_wait() -> None:
    """Call this before anything that may wait. Raises WouldWait where that is not allowed."""
    if _here.nothing_waits:
        raise WouldWait
