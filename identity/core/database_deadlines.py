"""How long this process waits for PostgreSQL, also for a server that is frozen.

PostgreSQL's own time-outs end a statement that is slow or waits for a lock. They end nothing if
the server itself stands still: its kernel still acknowledges what we send. So the client has a
deadline as well, a little later. What is later than that is cut off: the connection is closed.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Dialect, Engine, event

from .database_availability import Availability

RV = TypeVar("RV")

INTERVAL = 0.1  # seconds between two looks of psycopg for signals, its own default


@dataclass(frozen=True)
class Patience:
    """How long a process waits for PostgreSQL.

    statement: seconds after which PostgreSQL cancels a statement; None: never.
    lock: seconds that it waits for a lock; None: for ever.
    answer: seconds after which we cut the connection off; None: never. Above both.
    connect: seconds for each host of the URL, and for a place in the pool; 2 at least.
    remembers: whether all others are refused at once after that, until the database answers.
    """

    statement: float | None
    lock: float | None
    answer: float | None
    connect: int = 5
    remembers: bool = False


WEB = Patience(statement=4.0, lock=4.0, answer=5.0, remembers=True)
"""A person or a homeserver waits for the answer, and a thread is busy with it."""

WORK = Patience(statement=60.0, lock=15.0, answer=65.0)
"""Jobs and commands. What a job has done must be recorded, even if the database paused."""

UPGRADE = Patience(statement=None, lock=None, answer=None)
"""Migrations, which set the time-outs of the server themselves."""


class Connection(psycopg.Connection[Any]):
    """A connection whose every exchange with the server has an end."""

    answer_within: float | None = None
    availability: Availability | None = None

    def wait(self, gen: PQGen[RV], interval: float = INTERVAL, timeout: float | None = None) -> RV:
        """Carry out one exchange: a statement, a commit, a ping.

        Raises OperationalError and closes the connection if it takes too long.
        """
        within = self.answer_within if timeout is None else timeout
        if within is None:
            return super().wait(gen, interval)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, within)
        except psycopg.OperationalError:
            if time.monotonic() - began < within:
                raise
            self.close()  # what the server still says would be taken for the next answer
            if self.availability is not None:
                self.availability.failed()
            raise psycopg.OperationalError(
                f"the database did not answer within {within:g} seconds"
            ) from None


def connect_args(patience: Patience) -> dict[str, Any]:
    """What libpq is told: time-outs of the server, and when the system gives a connection up."""
    options = {"statement_timeout": patience.statement, "lock_timeout": patience.lock}
    given = " ".join(
        f"-c {name}={int(seconds * 1000)}" for name, seconds in options.items() if seconds
    )
    return {
        "connect_timeout": patience.connect,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        **({"tcp_user_timeout": int(patience.answer * 1000)} if patience.answer else {}),
        **({"options": given} if given else {}),
    }


def bound(engine: Engine, patience: Patience, availability: Availability) -> None:
    """Give every connection of this engine its deadline, and note who did not get an answer."""
    event.listen(engine, "do_connect", partial(_connect, patience, availability))


def _connect(
    patience: Patience,
    availability: Availability,
    _dialect: Dialect,
    _record: Any,
    args: Any,
    named: Any,
) -> Connection:
    """Connect as the dialect would."""
    if not availability.may_connect():  # found out while this thread waited for a connection
        raise psycopg.OperationalError("the database did not answer lately")
    began = time.monotonic()
    try:
        made = Connection.connect(*args, **named)
    except psycopg.OperationalError:
        # Of several hosts, the first may be silent and the last refuse: then this is no timeout.
        if patience.remembers and time.monotonic() - began >= patience.connect:
            availability.failed()
        raise
    made.answer_within = patience.answer
    made.availability = availability if patience.remembers else None
    return made
