"""The homeserver of a stored user ID, computed by the database: what stands behind its first colon."""

from typing import Any

from sqlalchemy import ColumnElement, FunctionElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class server_of(FunctionElement[str]):  # noqa: N801  it is called like the functions of SQL
    """`server_of(Invitation.sender)`: host or host:port. An index on the same expression serves it."""

    type = String()
    inherit_cache = True


@compiles(server_of)
def _by_position(element: server_of, compiler: SQLCompiler, **given: Any) -> str:
    column: ColumnElement[str] = next(iter(element.clauses))
    user_id = compiler.process(column, **given)
    return f"substr({user_id}, instr({user_id}, ':') + 1)"


@compiles(server_of, "postgresql")
def _by_strpos(element: server_of, compiler: SQLCompiler, **given: Any) -> str:
    user_id = compiler.process(element.clauses, **given)
    return f"substr({user_id}, strpos({user_id}, ':') + 1)"
