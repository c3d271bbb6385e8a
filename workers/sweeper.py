"""A thread in each process of the pool that does what is due without being woken.

Bells come through the broker, which may be dead or hung. The sweep needs only the database: a lost
bell, or a broker that is away, costs 15 seconds at most.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from identity.core.outbox import Lane

from . import looks

log = logging.getLogger(__name__)

SWEEP = 12.0  # seconds since a process of this worker last looked into a lane
TICK = 3.0  # seconds between two questions whether that is so; both together are 15
LAST_JOB = 30.0  # seconds that the end of a process waits for the job at hand


class Sweeper:
    """Each of the other functions is called by one process of the worker every 15 seconds."""

    def __init__(
        self,
        keep_time: Callable[[], object],
        look: Callable[[Lane], object],
        others: Mapping[str, Callable[[], object]],
        *,
        tick: float = TICK,
    ) -> None:
        """`keep_time` measures the clock of this process.

        `look` carries out what is due in a lane, if that has a free slot. `others`: by the names
        that `looks` knows.
        """
        self._keep_time, self._look, self._others, self._tick = keep_time, look, others, tick
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether this process ends, so that no further job is begun."""
        return self._stopping.is_set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin no further job, and wait for the one at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LAST_JOB)

    def _run(self) -> None:
        kept_at = -SWEEP
        while not self._stopping.is_set():
            if time.monotonic() - kept_at >= SWEEP:
                kept_at = time.monotonic()
                self._guarded(self._keep_time)
            for lane in Lane:
                if looks.is_older(lane, SWEEP):
                    self._guarded(partial(self._look, lane))
            for name, do in self._others.items():
                if looks.is_older(name, SWEEP):
                    looks.record(name)
                    self._guarded(do)
            # Not all processes at once.
            self._stopping.wait(self._tick * random.uniform(0.5, 1.0))  # noqa: S311  no secret

    def _guarded(self, do: Callable[[], object]) -> None:
        try:
            do()
        except SQLAlchemyError as error:
            log.warning("no sweep: the database is away: %s", type(error).__name__)
        except Exception:
            log.exception("a sweep failed")  # the next one comes
