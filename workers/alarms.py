"""What waits for its moment is rung for by a timer of this process: it holds no slot, and no broker keeps it.

A timer is a convenience, as a bell is: what has to be done stands in the outbox, and the sweep finds it.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from identity.core.outbox import Lane

NEAR = timedelta(seconds=60)  # further ahead the sweep looks again, and sets the timer then
LATE = 0.005  # seconds after the moment: a bell before it would find nothing due


class Alarms:
    """One timer a lane, for its next moment. `ring` is told the lanes, as `wake_outbox` is."""

    def __init__(self, ring: Callable[[set[str]], None]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._set: dict[Lane, tuple[datetime, threading.Timer]] = {}

    def set(self, lane: Lane, now: datetime, due_at: datetime | None) -> None:
        """Ring for the lane at `due_at` if that is near, and not for the moment it was set to before."""
        with self._lock:
            before = self._set.get(lane)
            if before and before[0] == due_at:
                return
            if before:
                before[1].cancel()
                del self._set[lane]
            if due_at is None or due_at - now > NEAR:
                return
            wait = max((due_at - now).total_seconds(), 0.0) + LATE
            timer = threading.Timer(wait, self._go_off, (lane, due_at))
            timer.daemon = True
            self._set[lane] = due_at, timer
            timer.start()

    def _go_off(self, lane: Lane, due_at: datetime) -> None:
        with self._lock:
            is_set = self._set.get(lane)
            if is_set is None or is_set[0] != due_at:
                return
            del self._set[lane]
        self._ring({lane})
