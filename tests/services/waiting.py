"""Ports nobody holds, and waiting until something is true."""

import atexit
import errno
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
SELDOM, DEAR = 0.1, 0.5  # seconds between two questions: if it takes long, if they take long


class NeverHappened(AssertionError):
    """What a test waited for did not come true in time."""


# Below the range the kernel takes ports of outgoing connections from: nobody gets one by chance
# between our look and the server's start.
BLOCK = 250  # ports
BLOCKS = [*range(12_000, 31_000, BLOCK)]
_claims: list[socket.socket] = []


def _blocks() -> Iterator[int]:
    """The first of each: never one twice, and none that another process of a suite on this machine may take.

    Also none whose server is down for a while: a look at the port alone would take that for free. Whoever has a
    name among the abstract sockets has the block of that name, until the process ends.
    """
    for first in random.SystemRandom().sample(BLOCKS, len(BLOCKS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0ports of the tests of Guichet from {first}")
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        _claims.append(claim)
        yield first


def _ports() -> Iterator[int]:
    for first in _blocks():
        yield from range(first, first + BLOCK)


_numbers = _ports()
_one_at_a_time = threading.Lock()


def _let_go() -> None:
    while _claims:
        _claims.pop().close()


def _begin_anew() -> None:
    """A fork has blocks of its own; those of its parent stay claimed by the parent alone."""
    global _numbers, _one_at_a_time
    _let_go()
    _numbers, _one_at_a_time = _ports(), threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(_let_go)


def free_port() -> int:
    while True:
        with _one_at_a_time:
            port = next(_numbers, None)
        assert port is not None, "other suites on this machine have every port"
        if _is_free(port):
            return port


def free_ports(number: int) -> int:
    """The first of so many in a row: of a block of their own, so at most `BLOCK`."""
    free = (first for first in _blocks() if all(_is_free(first + each) for each in range(number)))
    first = next(free, None)
    assert first is not None, "other suites on this machine have every port"
    return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def wait_for(
    question: Callable[[], T], *, what: str, within: float = 90.0, pause: float = 0.02
) -> T:
    """The first true answer. Raises NeverHappened with `what` when there is none in time.

    What takes long to come is asked for less and less often, and a question that is dear less often than a cheap
    one: what is waited for needs the processor, too.
    """
    deadline = time.monotonic() + within
    while True:
        asked_at = time.monotonic()
        answer = question()
        if answer:
            return answer
        now = time.monotonic()
        if now > deadline:
            raise NeverHappened(f"not within {within:.0f} s: {what}")
        time.sleep(max(pause, min(3 * (now - asked_at), DEAR)))
        pause = max(pause, min(1.2 * pause, SELDOM))


def port_answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
