"""Whether the tables are all there: while a dump is being loaded, some are missing or unfinished.

pg_restore makes the tables first, fills them, and makes their keys last. A table without its
primary key may therefore be empty, or hold a part of its rows.
"""

from sqlalchemy import bindparam, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from identity.core.database import Base

POSTGRESQL = text(
    "SELECT count(*) AS there, count(*) FILTER (WHERE own.conrelid IS NULL) AS unfinished"
    " FROM pg_class AS tables"
    " LEFT JOIN pg_constraint AS own ON own.conrelid = tables.oid AND own.contype = 'p'"
    " WHERE tables.relname = ANY(:names) AND tables.relkind IN ('r', 'p')"
    " AND pg_table_is_visible(tables.oid)"
)
SQLITE = text(
    "SELECT count(*) AS there,"
    " count(*) FILTER (WHERE sql NOT LIKE '%PRIMARY KEY%') AS unfinished FROM sqlite_master"
    " WHERE type = 'table' AND name IN :names"
).bindparams(bindparam("names", expanding=True))


def is_whole(session: Session) -> bool:
    """Whether all tables that this code knows are there, with their primary keys."""
    there, unfinished = _count(session)
    return there == len(Base.metadata.tables) and not unfinished


def refuse_unfinished(session: Session) -> None:
    """Raise OperationalError, as for a database that is away, while tables are unfinished."""
    _, unfinished = _count(session)
    if unfinished:
        raise OperationalError(None, None, RuntimeError("the tables are being loaded"))


def _count(session: Session) -> tuple[int, int]:
    """How many of our tables are there, and how many of these have no primary key yet."""
    on_server = session.get_bind().dialect.name == "postgresql"
    names = list(Base.metadata.tables)
    row = session.execute(POSTGRESQL if on_server else SQLITE, {"names": names}).one()
    return row.there, row.unfinished
