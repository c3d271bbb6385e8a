"""INSERT … ON CONFLICT for rows that may exist already, and several rows at once, on both databases."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, cast

from sqlalchemy import Column, CursorResult, Insert, Table, bindparam, insert, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from .database import Base

MOST = 100  # statements that are kept


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
    rows = [(_table_of(each), _values(each)) for each in objects]
    parts = [(table, tuple(values)) for table, values in rows]
    given = [
        {f"{column}_{number}": value for column, value in values.items()}
        for number, (_, values) in enumerate(rows)
    ]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_insert_of(*parts), dict(chain.from_iterable(map(dict.items, given))))
    else:
        for number, (part, values) in enumerate(zip(parts, given, strict=True)):
            session.execute(_insert_of(part, first=number), values)
    for each in objects:
        make_transient_to_detached(each)
        session.add(each)


@lru_cache(MOST)
def _insert_of(*parts: tuple[Table, tuple[str, ...]], first: int = 0) -> Insert:
    """INSERT of a row into each of these tables, with these columns; `name_0` is of the first table.

    It is made once: to make it, and to find out that it was compiled before, costs more than to
    carry it out.
    """
    inserts = [
        insert(table).values({each: bindparam(f"{each}_{number}") for each in columns})
        for number, (table, columns) in enumerate(parts, first)
    ]
    *others, last = inserts
    return last.add_cte(*(each.cte(f"insert_{number}") for number, each in enumerate(others)))


def _table_of(new: Base) -> Table:
    return cast("Table", type(new).__table__)


def _values(new: Base) -> dict[str, Any]:
    """The values of its columns; one that has none, or None, gets its default, or the database's."""
    values: dict[str, Any] = {}
    for key, column in _columns(type(new)):
        value = new.__dict__.get(key)
        if value is None:
            if column.default is None and column.server_default is not None:
                new.__dict__.pop(key, None)  # read when it is asked for
                continue
            value = _default(column)
            set_committed_value(new, key, value)
        if value is not None or column.default is not None:
            values[column.name] = value
    return values


@cache
def _columns(table: type[Base]) -> list[tuple[str, Column[Any]]]:
    """The attributes of its objects that are columns, and not computed by a query."""
    found = [(each.key, each.columns[0]) for each in inspect(table).column_attrs]
    return [(key, column) for key, column in found if isinstance(column, Column)]


def _default(column: Column[Any]) -> Any:
    made: Any = column.default
    if made is None:
        return None
    return made.arg(None) if made.is_callable else made.arg
