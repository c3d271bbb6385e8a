"""The scheduler of Celery, which knows when it last looked at the timetable."""

import time
from typing import Any

from celery.beat import Scheduler

STANDS_STILL_AFTER = 60.0  # seconds without a look; it looks at least every 15


class TimetableScheduler(Scheduler):
    """Celery's own in memory, without a file: what is due is in the outbox."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._looked_at = time.monotonic()
        super().__init__(*args, **named)

    def tick(self, *args: Any, **named: Any) -> float:
        """Send what is due. Returns the seconds until the next look."""
        wait: float = super().tick(*args, **named)
        self._looked_at = time.monotonic()
        return wait

    def is_well(self) -> bool:
        """Whether it goes on looking at its timetable."""
        return time.monotonic() - self._looked_at < STANDS_STILL_AFTER
