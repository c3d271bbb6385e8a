"""Turns for questions to Guichet: few at once, few in the queue, and none while it is silent.

People wait in callbacks for the answers. Each process of Synapse counts its own.
"""

from collections import deque
from collections.abc import Awaitable, Callable

AT_ONCE = 4
MAX_WAITING = 50  # a burst that Guichet answers within a second or two
LOOK_SECONDS = 0.05  # between two looks whether it is one's turn
MAX_FAILURES = 5  # in a row; then nobody asks for a while
OPEN_MS = 30_000  # then one question may try


class NoTurn(Exception):
    """The question is not put."""


class Turns:
    """`take` before a question, `give_back` after it. All of it in one thread."""

    def __init__(
        self, now_ms: Callable[[], int], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._now_ms, self._sleep = now_ms, sleep
        self._under_way = 0
        self._waiting: deque[object] = deque()
        self._failures = 0
        self._again_ms = 0

    async def take(self, ends_ms: int) -> None:
        """Wait for a turn, until `ends_ms` at most. Raises NoTurn."""
        if len(self._waiting) >= MAX_WAITING:
            raise NoTurn(f"{MAX_WAITING} others wait for their turn")
        ticket = object()
        self._waiting.append(ticket)
        try:
            while self._under_way >= AT_ONCE or self._waiting[0] is not ticket:
                self._check_breaker()
                if self._now_ms() >= ends_ms:
                    raise NoTurn("the others before did not come to an end")
                await self._sleep(LOOK_SECONDS)
            self._check_breaker()
            if self._failures >= MAX_FAILURES:
                self._again_ms = self._now_ms() + OPEN_MS  # the others wait for this one
            self._under_way += 1
        finally:
            self._waiting.remove(ticket)

    def give_back(self) -> None:
        """The question was answered, or given up."""
        self._under_way -= 1

    def record_answer(self) -> None:
        """Guichet answered something, also to a request that took no turn."""
        self._failures = self._again_ms = 0

    def record_silence(self) -> None:
        """It did not; after `MAX_FAILURES` in a row nobody asks until `OPEN_MS` later."""
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self._again_ms = self._now_ms() + OPEN_MS

    def _check_breaker(self) -> None:
        if self._now_ms() < self._again_ms:
            raise NoTurn("it was found silent a moment ago")
