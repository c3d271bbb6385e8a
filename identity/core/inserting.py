"""INSERT … ON CONFLICT for rows that may exist already, and several rows at once, on both databases."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Column, CursorResult, Table, insert, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

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


def insert_together(session: Session, *objects: Base) -> None:
    """Insert these new objects now, as `add_all` and `flush` would: on PostgreSQL by one statement.

    Each statement costs more than what it does. Keys and what else they have in common are given
    with them: nothing is read back.
    """
    inserts = [insert(_table_of(each)).values(_values(each)) for each in objects]
    if session.get_bind().dialect.name == "postgresql":
        *others, last = inserts
        parts = [each.cte(f"insert_{number}") for number, each in enumerate(others)]
        inserts = [last.add_cte(*parts)]
    for statement in inserts:
        session.execute(statement)
    for each in objects:
        make_transient_to_detached(each)
        session.add(each)


def _table_of(new: Base) -> Table:
    return cast("Table", type(new).__table__)


def _values(new: Base) -> dict[str, Any]:
    """The values of all columns that have no default of the database; those left out get their own."""
    values: dict[str, Any] = {}
    for attribute in inspect(type(new)).column_attrs:
        column = attribute.columns[0]
        if not isinstance(column, Column):
            continue  # computed by a query
        if attribute.key not in new.__dict__:
            if column.default is None and column.server_default is not None:
                continue
            set_committed_value(new, attribute.key, _default(column))
        values[column.name] = new.__dict__[attribute.key]
    return values


def _default(column: Column[Any]) -> Any:
    made: Any = column.default
    if made is None:
        return None
    return made.arg(None) if made.is_callable else made.arg
