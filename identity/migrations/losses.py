"""What a downgrade would lose: tables and columns that the older schema has not, and their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from sqlalchemy import Connection, column, func, inspect, literal_column, select, table

from identity.core.database import make_engine

from .configuring import alembic_config

# Processes and migrations write them anew by themselves.
TRANSIENT = {"worker_heartbeats", "timetable_runs", "installation"}
VERSIONS = "alembic_version"

Columns = Mapping[str, set[str]]
"""The columns of each table."""


@dataclass(frozen=True)
class Loss:
    """A table, or a column of one, with the number of rows that have something in it."""

    table: str
    column: str | None
    rows: int

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else f"the table {self.table}"
        return f"{where} ({self.rows} rows)"


def find_losses(connection: Connection, now: str, older: str) -> list[Loss]:
    """What is in the database at revision `now` and has no place at the `older` one."""
    with TemporaryDirectory() as folder:
        columns_now, columns_then = (
            _columns_at(each, Path(folder) / f"{each}.db") for each in (now, older)
        )
    found = []
    for name, columns in sorted(columns_now.items()):
        if name in TRANSIENT:
            continue
        if name not in columns_then:
            found.append(Loss(name, None, _count(connection, name)))
            continue
        defaults = {each["name"]: each["default"] for each in inspect(connection).get_columns(name)}
        found += [
            Loss(name, each, _count(connection, name, each, defaults.get(each)))
            for each in sorted(columns - columns_then[name])
        ]
    return [loss for loss in found if loss.rows]


def _columns_at(revision: str, path: Path) -> Columns:
    """The tables and columns of a revision, from an empty database."""
    url = f"sqlite:///{path}"
    command.upgrade(alembic_config(url), revision)
    engine = make_engine(url)
    try:
        seen = inspect(engine)
        return {
            name: {each["name"] for each in seen.get_columns(name)}
            for name in seen.get_table_names()
            if name != VERSIONS
        }
    finally:
        engine.dispose()


def _count(
    connection: Connection, name: str, filled: str | None = None, default: str | None = None
) -> int:
    """The rows of a table; those with a value of their own in a column, if one is given."""
    query = select(func.count()).select_from(table(name))
    if filled is not None:
        query = query.where(column(filled).is_not(None))
        if default is not None:  # as the database writes it, so an expression in its own SQL
            query = query.where(column(filled) != literal_column(default))
    return connection.scalar(query) or 0
