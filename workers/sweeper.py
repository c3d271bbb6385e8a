"""A thread in each process of the pool that looks into the lanes without being woken.

Bells come through the broker, which may be dead or hung. The sweep needs only the database: a lost
bell, or a broker that is away, costs 15 seconds at most.
"""

import logging
import random
import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from identity.core.outbox import Lane

from . import looks

log = logging.getLogger(__name__)

SWEEP = 12.0  # seconds since a process of this worker last looked into a lane
TICK = 3.0  # seconds between two questions whether that is so; both together are 15
LAST_JOB = 30.0  # seconds that the end of a process waits for the job at hand


class Sweeper:
    """`look(lane)` carries out what is due, if the lane has a free slot; `tidy` deletes passwords."""

    def __init__(
        self, look: Callable[[Lane], None], tidy: Callable[[], object], *, tick: float = TICK
    ) -> None:
        self._look, self._tidy, self._tick = look, tidy, tick
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
        while not self._stopping.is_set():
            for lane in Lane:
                if looks.is_older(lane, SWEEP):
                    self._guarded(partial(self._look, lane))
            if looks.is_older(looks.PASSWORDS, SWEEP):
                looks.record(looks.PASSWORDS)
                self._guarded(self._tidy)
            # Not all processes at once.
            self._stopping.wait(self._tick * random.uniform(0.5, 1.0))  # noqa: S311  no secret

    def _guarded(self, do: Callable[[], object]) -> None:
        try:
            do()
        except SQLAlchemyError as error:
            log.warning("no sweep: the database is away: %s", type(error).__name__)
        except Exception:
            log.exception("a sweep failed")  # the next one comes
