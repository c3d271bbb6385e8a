"""A circuit breaker: what did not answer in time is left alone for a while.

Meanwhile everybody is refused at once, and then one caller at a time tries it again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PROBE_LIMIT = 30.0  # seconds after which a try that never ended counts as failed


class DoesNotAnswer(Exception):
    """It did not answer lately, and was not asked this time."""


class Breaker:
    """The memory of one thing that may not answer, for all threads of a process.

    It is closed in normal times. `failed` opens it for `pause` seconds. After that one caller gets
    through, and closes it unless `failed` is called meanwhile.
    """

    def __init__(self, pause: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock = pause, clock
        self._lock = threading.Lock()
        self._next_try: float | None = None  # None: closed
        self._prober: int | None = None  # the thread that tries it

    @property
    def is_closed(self) -> bool:
        """Whether it answered the last time."""
        return self._next_try is None

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Ask in this block. Raises DoesNotAnswer, at once, while nobody is to ask."""
        is_probe = self._begin()
        try:
            yield
        finally:
            if is_probe:
                self._end()

    def check(self) -> None:
        """Raise DoesNotAnswer unless it is closed, or this thread is the one that tries it."""
        if self._next_try is not None and self._prober != threading.get_ident():
            raise DoesNotAnswer("it did not answer lately")

    def failed(self) -> None:
        """Record that it did not answer."""
        with self._lock:
            self._next_try, self._prober = self._clock() + self._pause, None

    def _begin(self) -> bool:
        """Whether this is a try after a failure. Raises DoesNotAnswer."""
        if self._next_try is None:
            return False
        me = threading.get_ident()
        with self._lock:
            if self._next_try is None or self._prober == me:
                return False
            now = self._clock()
            if now < self._next_try:
                raise DoesNotAnswer("it did not answer lately")
            self._next_try, self._prober = now + PROBE_LIMIT, me
            return True

    def _end(self) -> None:
        with self._lock:
            if self._prober == threading.get_ident():
                self._next_try = self._prober = None
