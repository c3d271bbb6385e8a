"""Rings the bells of a process in a thread of its own: whoever asks for one waits for nothing.

A request that ordered a mail is answered at once, however the broker does. Bells that are asked for
within a moment become one, or a few where a lane carries out several jobs at once: each wakes a run
that empties its lane.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable

PAUSE = 0.1  # seconds between two times of ringing; the first bell does not wait
AT_ONCE = 4  # bells of one lane each time: as many runs as a lane has at most, see slots.py


class Ringer:
    """Calls `ring` with the name of a lane, once for each bell. `ring` raises nothing."""

    def __init__(
        self, ring: Callable[[str], object], *, pause: float = PAUSE, at_once: int = AT_ONCE
    ) -> None:
        self._ring, self._pause, self._at_once = ring, pause, at_once
        self._begin()
        # The thread of the process before does not exist in a fork, and its lock may be held.
        os.register_at_fork(after_in_child=self._begin)

    def ask(self, lanes: Iterable[str]) -> None:
        """A bell for each of these lanes, soon. Never blocks for longer than a moment."""
        with self._changed:
            self._asked.update(lanes)
            if self._thread is None:
                self._start()
            self._changed.notify_all()

    def finish(self, within: float) -> bool:
        """Wait at most so many seconds until all is rung that was asked for. Whether it is."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._asked and not self._is_ringing, within)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._asked: Counter[str] = Counter()
        self._is_ringing = self._is_hurried = False
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="ringer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # this process ends, and starts none: a sweep will find the work
            self._asked.clear()
        else:
            self._thread = thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked)
                asked, self._asked = self._asked, Counter()
                self._is_ringing = True
            for lane in sorted(asked):
                for _ in range(min(asked[lane], self._at_once)):
                    self._ring(lane)
            with self._changed:
                self._is_ringing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._is_hurried, self._pause)
