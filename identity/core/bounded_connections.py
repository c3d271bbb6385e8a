"""Connections to PostgreSQL whose every exchange with the server has an end.

What is later than the deadline is cut off: the connection is closed. It stands apart from
database_deadlines.py since it loads the driver, which nobody needs who works with SQLite.
"""

import time
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Dialect, Engine, event

from .database_availability import Availability
from .database_deadlines import Patience

RV = TypeVar("RV")

INTERVAL = 0.1  # seconds between two looks of psycopg for signals, its own default


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
