"""A pooler between us and PostgreSQL that lends a connection for one transaction, as PgBouncer does.

Nothing may be left behind in such a connection: statements are not prepared, and the server's
time-outs are said anew in each transaction.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event, text

from .database_deadlines import Patience

SAY = text(
    "select set_config('statement_timeout', :statement, true),"
    " set_config('lock_timeout', :lock, true)"
)


def connect_args_for_pooler() -> dict[str, Any]:
    """What psycopg is told: to prepare no statement, however often it comes."""
    return {"prepare_threshold": None}


def limit_each_transaction(engine: Engine, patience: Patience) -> None:
    """Say the server's time-outs at the beginning of each transaction, for it alone."""
    wanted = {"statement": patience.statement, "lock": patience.lock}
    limits = {name: str(int((seconds or 0) * 1000)) for name, seconds in wanted.items()}

    def say(connection: Connection) -> None:
        connection.execute(SAY, limits)

    event.listen(engine, "begin", say)
