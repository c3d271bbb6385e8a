"""Keeps how PostgreSQL carries out the hot statements: `plans/*.txt`, a file for each path.

Statements are taken as the code sends them, with the values of their first call, and explained
afterwards. So nothing is copied here, and a changed statement shows its new plan at the next run.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

FOLDER = Path(__file__).with_name("plans")
WIDTH = 120  # of a line: a thousand hashes stand in one
MANY = re.compile(r"(%\(\w+\)s(?:::\w+)?)(?:, %\(\w+\)s(?:::\w+)?){9,}")
ABOUT = re.compile(r"\s*(select|insert|update|delete|with)\b", re.IGNORECASE)
# What a ping and the locks of a transaction ask has no plan worth reading.
PLAIN = re.compile(r"\s*select (1$|pg_|set_config|pg_catalog)", re.IGNORECASE)

Sent = dict[str, Any]
"""Statements as psycopg gets them, and their values."""


def keep(name: str, engine: Engine, act: Callable[[], object], about: str) -> Path:
    """Write the plans of all statements that a call sends. `about`: the first line of the file."""
    with statements(engine) as sent:
        act()
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.txt"
    file.write_text("\n\n".join([about, *explained(engine, sent)]) + "\n", encoding="utf-8")
    return file


@contextmanager
def statements(engine: Engine) -> Iterator[Sent]:
    """The different statements that this engine sends meanwhile."""
    sent: Sent = {}

    def note(*told: Any) -> None:
        _connection, _cursor, statement, values, _context, is_many = told
        if ABOUT.match(statement) and not PLAIN.match(statement):
            sent.setdefault(statement, values[0] if is_many else values)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def explained(engine: Engine, sent: Mapping[str, Any]) -> Iterator[str]:
    """Each statement with its plan. Nothing stays of what they change."""
    raw = engine.raw_connection()
    try:
        with raw.cursor() as cursor:
            for statement, values in sent.items():
                plan = _plan(cursor, statement, values)
                raw.rollback()
                yield "\n".join([*_written(statement), *(line[:WIDTH] for line in plan)])
    finally:
        raw.close()


def _written(statement: str) -> list[str]:
    return textwrap.wrap(MANY.sub(r"\1, …", statement), WIDTH)


def _plan(cursor: Any, statement: str, values: Any) -> list[str]:
    try:
        cursor.execute(f"explain (analyze, buffers) {statement}", values)
    except psycopg.IntegrityError:  # its row is there now
        cursor.connection.rollback()
        cursor.execute(f"explain {statement}", values)
    return [f"    {line}" for (line,) in cursor.fetchall()]
