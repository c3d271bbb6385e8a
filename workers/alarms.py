"""Timers in the worker process that wake a lane when its next job is due.

A timer holds no slot and no message in the broker. If it is lost, the regular sweep finds the job,
since everything to be done is in the outbox.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from identity.core.outbox import Lane

NEAR = timedelta(seconds=60)  # for later times a sweep sets the timer
LATE = 0.005  # seconds after the due time: woken before it, a run would find nothing due


class Alarms:
    """One timer per lane, for its next due time. `ring` gets a set of lanes, like `wake_outbox`."""

    def __init__(self, ring: Callable[[set[str]], None]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._set: dict[Lane, tuple[datetime, threading.Timer]] = {}

    def set(self, lane: Lane, now: datetime, due_at: datetime | None) -> None:
        """Wake the lane at `due_at` if that is near, and no longer at the time set before."""
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
