"""Ports nobody holds, and waiting until something is true."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"


class NeverHappened(AssertionError):
    """What a test waited for did not come true in time."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def wait_for(
    question: Callable[[], T], *, what: str, within: float = 20.0, pause: float = 0.02
) -> T:
    """The first true answer. Raises NeverHappened with `what` when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NeverHappened(f"not within {within:.0f} s: {what}")
        time.sleep(pause)


def port_answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
