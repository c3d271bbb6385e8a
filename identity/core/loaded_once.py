"""What a process loads when it starts, modules above all, and keeps until it ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Let the garbage collector pass over what is made in the block: it is never garbage.

    Else it walks over all of it, again and again: while it is made, and during requests, where one
    walk takes some hundred milliseconds.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
