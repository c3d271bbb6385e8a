"""The known words are read when the public site starts, not when the first person waits for their account.

That takes some seconds of CPU: beside the requests, in a thread, so that serving begins at once. Where a
process forks after it was loaded (gunicorn's `--preload`), a child has the words if they were read by then;
if not, the thread has not come along, and the child reads them itself.
"""

import os
from threading import Thread

from .words import ranks

NAME = "known words"


def warm_up() -> None:
    """Begin to read, and return. For processes that judge passwords, and no others."""
    _begin()
    os.register_at_fork(after_in_child=_begin)


def _begin() -> None:
    Thread(target=ranks, name=NAME, daemon=True).start()
