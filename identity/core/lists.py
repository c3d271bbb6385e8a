"""Lists as one parameter of a statement: its text stays the same however long the list is.

So SQLAlchemy compiles it once, and PostgreSQL can prepare it.
"""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Dialect,
    FunctionElement,
    Text,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class TextList(TypeDecorator[Collection[str]]):
    """Sent as JSON: psycopg writes an array of its own with a search in each of its texts."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str:  # noqa: ARG002  SQLAlchemy's signature
        return json.dumps(list(value or ()))


class _is_among(FunctionElement[bool]):  # noqa: N801  it is called like the functions of SQL
    type = Boolean()
    inherit_cache = True


def is_among(column: ColumnElement[str] | Any, name: str) -> ColumnElement[bool]:
    """Whether the column is among the texts given as the parameter `name`."""
    return _is_among(column, bindparam(name, type_=TextList()))


@compiles(_is_among)
def _in_json(element: _is_among, compiler: SQLCompiler, **given: Any) -> str:
    column, texts = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608  parts of a statement


@compiles(_is_among, "postgresql")
def _any_of_array(element: _is_among, compiler: SQLCompiler, **given: Any) -> str:
    column, texts = (compiler.process(each, **given) for each in element.clauses)
    # An array, and no join: what is looked up by index is known before it is planned.
    return f"{column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({texts} AS json))))"
