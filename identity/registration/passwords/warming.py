"""Loading the known words when the public site starts, so that no request waits for them.

It takes a second of CPU, in a process of its own that a thread awaits: serving begins at once, and
no request shares its processor's time with it. In a process that forks after loading (gunicorn's
`--preload`), a child has the words if they were read by then; if not, it reads them itself, since
threads do not survive a fork.
"""

import os
from threading import Thread

from .words import ranks

NAME = "known words"


def warm_up() -> None:
    """Start the thread and return. Only for processes that judge passwords."""
    _begin()
    os.register_at_fork(after_in_child=_begin)


def _begin() -> None:
    Thread(target=ranks, name=NAME, daemon=True).start()
