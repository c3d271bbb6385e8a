"""The words people use in passwords, each with the number of guesses after which it is tried."""

import logging
import os
import subprocess
import sys
from functools import cache
from threading import Lock

from .packed_words import PackedWords

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds for the process that makes the words; it takes a few on a busy machine


def ranks() -> PackedWords:
    """Each known word, as `spelling.plain` writes it, with about how many guesses it takes.

    Read once in each process: who asks meanwhile waits.
    """
    with _reading:
        return read_once()


@cache
def read_once() -> PackedWords:
    """What `ranks` gives. A process of its own makes it of the lists of words.

    That takes seconds, which the threads of this one would share, and tens of megabytes, which this
    one would keep.
    """
    return PackedWords.read(_made())


def _made() -> bytes:
    """What `word_lists` writes. Where no process of its own can do so, it is done here."""
    try:
        made = subprocess.run(  # noqa: S603  a program of ours
            # -P: the folder where this process was started has no modules of ours.
            [sys.executable, "-P", "-m", f"{__package__}.word_lists"],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},  # none of the secrets beside it
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the words of passwords are made in this process, at its cost: %s", error)
        from .word_lists import written  # noqa: PLC0415  it loads what this process does without

        return written()
    return made.stdout


_reading = Lock()


def _renew_lock() -> None:
    global _reading  # noqa: PLW0603  who held it when this process was forked is not here
    _reading = Lock()


os.register_at_fork(after_in_child=_renew_lock)
