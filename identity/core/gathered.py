"""All the times that a query gives, as one value: so one statement brings several such lists."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, FunctionElement, Select, String, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class _Times(TypeDecorator[list[datetime]]):
    """An array of times on PostgreSQL, their texts as JSON on SQLite."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> list[datetime]:  # noqa: ARG002  SQLAlchemy's signature
        if isinstance(value, str):
            return [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in json.loads(value)]
        return [each.astimezone(UTC) for each in value]


class _Gathered(FunctionElement[list[datetime]]):
    type = _Times()
    inherit_cache = True


def times_of(query: Select[Any]) -> _Gathered:
    """A column with the times of this query, in its order, in UTC. The query gives no nulls."""
    return _Gathered(query.correlate(None).scalar_subquery())


@compiles(_Gathered, "postgresql")
def _as_array(element: _Gathered, compiler: SQLCompiler, **given: Any) -> str:
    return f"ARRAY{compiler.process(next(iter(element.clauses)), **given)}"


@compiles(_Gathered, "sqlite")
def _as_json(element: _Gathered, compiler: SQLCompiler, **given: Any) -> str:
    query: Any = next(iter(element.clauses))
    (column,) = query.element.selected_columns
    texts = f"SELECT json_group_array({column.name})"  # the name of a column of ours
    return f"({texts} FROM {compiler.process(query, **given)})"
