"""Work on many rows in transactions of bounded size, one after the other, until its time is over.

Each batch is committed by itself. So nobody waits long for a lock, what was done stays done when
the process is killed, and the next run goes on with what is left.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from .database import Database

BATCH = 1000  # rows in one transaction

Step = Callable[[Session, int], int]
"""Works on at most so many rows, and returns on how many it did. Fewer: nothing is left."""


@dataclass
class Done:
    """On how many rows each step worked, and which of them have more to do."""

    counts: dict[str, int] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)


def run(
    database: Database,
    steps: Mapping[str, Step],
    *,
    until: Callable[[], bool],
    batch: int = BATCH,
) -> Done:
    """Run the steps in turn, a batch of each, until none has more to do or `until` says so.

    In turn: a step with a million rows does not keep the others from theirs.
    """
    done = Done(dict.fromkeys(steps, 0), set(steps))
    while done.unfinished:
        for name in [name for name in steps if name in done.unfinished]:
            if until():
                return done
            with database.transaction() as session:
                count = steps[name](session, batch)
            done.counts[name] += count
            if count < batch:
                done.unfinished.discard(name)
    return done


def never() -> bool:
    """There is no end but that of the work."""
    return False


def after(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since now."""
    ends_at = time.monotonic() + seconds
    return lambda: time.monotonic() > ends_at
