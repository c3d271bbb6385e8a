"""Whether the tables are all there: while a dump is being loaded, some are missing or unfinished.

pg_restore makes the tables first, fills them, and makes their keys last. A table without its
primary key may therefore be empty, or hold a part of its rows.
"""

from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from identity.core.database import Base


def find_missing(session: Session) -> set[str]:
    """The tables that this code knows and the database has not."""
    return set(Base.metadata.tables) - set(inspect(session.connection()).get_table_names())


def find_unfinished(session: Session) -> set[str]:
    """The tables that are there without their primary key."""
    keys = inspect(session.connection()).get_multi_pk_constraint()
    found = {name for (_, name), key in keys.items() if not key["constrained_columns"]}
    return found & set(Base.metadata.tables)


def refuse_unfinished(session: Session) -> None:
    """Raise OperationalError, as for a database that is away, while tables are unfinished."""
    if find_unfinished(session):
        raise OperationalError(None, None, RuntimeError("the tables are being loaded"))
