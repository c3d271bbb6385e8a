"""Lists in statements, by which PostgreSQL looks rows up one by one, by an index.

As one parameter: the text of the statement stays the same however long the list is, so that
SQLAlchemy compiles it once, and PostgreSQL can prepare it. Or as what a query inside finds.
"""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    FunctionElement,
    Select,
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
    # No Boolean: SQLAlchemy would write "= 1" behind it, and SQLite would use no index.
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


class _is_found(FunctionElement[bool]):  # noqa: N801  it is called like the functions of SQL
    inherit_cache = True


def is_found(column: ColumnElement[Any] | Any, by: Select[Any]) -> ColumnElement[bool]:
    """Whether the column is among the values that a query finds, of which there are not many."""
    return _is_found(column, by.correlate(None).scalar_subquery())


@compiles(_is_found)
def _in_query(element: _is_found, compiler: SQLCompiler, **given: Any) -> str:
    column, query = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} IN {query}"


@compiles(_is_found, "postgresql")
def _any_of_query(element: _is_found, compiler: SQLCompiler, **given: Any) -> str:
    column, query = (compiler.process(each, **given) for each in element.clauses)
    # With IN, PostgreSQL may join, and read a table of any length for a thousand of its rows.
    return f"{column} = ANY (ARRAY{query})"
