"""How long this process waits for PostgreSQL, also for a server that is frozen.

PostgreSQL's own time-outs end a statement that is slow or waits for a lock. They end nothing if
the server itself stands still: its kernel still acknowledges what we send. So the client has a
deadline as well, a little later: see bounded_connections.py.
"""

from dataclasses import dataclass
from typing import Any


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
