"""The domain of a stored address, computed by the database: what stands behind its one @."""

from typing import Any

from sqlalchemy import ColumnElement, FunctionElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class domain_of(FunctionElement[str]):  # noqa: N801  it is called like the functions of SQL
    """`domain_of(Account.address)`: its A-labels. An index on the same expression serves it."""

    type = String()
    inherit_cache = True


@compiles(domain_of)
def _by_position(element: domain_of, compiler: SQLCompiler, **given: Any) -> str:
    column: ColumnElement[str] = next(iter(element.clauses))
    address = compiler.process(column, **given)
    return f"substr({address}, instr({address}, '@') + 1)"


@compiles(domain_of, "postgresql")
def _by_part(element: domain_of, compiler: SQLCompiler, **given: Any) -> str:
    return f"split_part({compiler.process(element.clauses, **given)}, '@', 2)"
