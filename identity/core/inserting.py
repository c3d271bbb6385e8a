"""INSERT … ON CONFLICT for rows that may exist already, on PostgreSQL and on SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .database import Base


def insert_if_new(session: Session, table: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert one row. False if it conflicts with an existing row."""
    statement = insert_statement(session, table).values(**row).on_conflict_do_nothing()
    # Without `preserve_rowcount`, the count of an INSERT is -1 on PostgreSQL.
    done = session.execute(statement, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount > 0


def insert_missing(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that do not exist yet."""
    if rows:
        session.execute(insert_statement(session, table).on_conflict_do_nothing(), rows)


def insert_statement(session: Session, table: type[Base]) -> postgresql.Insert:
    """The INSERT statement of this database's dialect, which has ON CONFLICT."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    # Both have the same methods, as far as they are used here.
    return cast("postgresql.Insert", sqlite.insert(table))
