"""A circuit breaker: what did not answer in time is left alone for a while."""

import threading
import time
from collections.abc import Callable

PROBE_LIMIT = 30.0  # seconds after which a try that never ended counts as failed


class Breaker:
    """The memory of one thing that may not answer, for all threads of a process.

    It is closed in normal times. `failed` opens it for `pause` seconds. Then one caller may try
    again, the others only after it has called `worked`.
    """

    def __init__(self, pause: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock = pause, clock
        self._lock = threading.Lock()
        self._next_try: float | None = None  # None: closed

    @property
    def is_closed(self) -> bool:
        """Whether it answered the last time."""
        return self._next_try is None

    def lets_pass(self) -> bool:
        """Whether to ask it now. Who asks then calls `worked` or `failed`."""
        if self._next_try is None:
            return True
        with self._lock:
            now = self._clock()
            if self._next_try is not None and now < self._next_try:
                return False
            if self._next_try is not None:
                self._next_try = now + PROBE_LIMIT
            return True

    def worked(self) -> None:
        """Record that it answered."""
        if self._next_try is not None:
            with self._lock:
                self._next_try = None

    def failed(self) -> None:
        """Record that it did not answer."""
        with self._lock:
            self._next_try = self._clock() + self._pause
