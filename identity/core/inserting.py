"""Rows that may be there already: of several who write one, one wins, and nobody fails."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .database import Base


def insert_if_new(session: Session, table: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert one row. False if a row that is there stands in its way."""
    statement = insert(session, table).values(**row).on_conflict_do_nothing()
    # Asked for by name: on PostgreSQL the count of an INSERT is else not kept, and reads -1, which is no 0.
    done = session.execute(statement, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount > 0


def several(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those that are not there yet."""
    if rows:
        session.execute(insert(session, table).on_conflict_do_nothing(), rows)


def insert(session: Session, table: type[Base]) -> postgresql.Insert:
    """The insert of this database, which knows ON CONFLICT."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    # The two are alike as far as they are used here.
    return cast("postgresql.Insert", sqlite.insert(table))
