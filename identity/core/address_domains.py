"""Parts of a stored address, computed by the database, so that indexes on them find addresses."""

from typing import Any

from sqlalchemy import ColumnElement, FunctionElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class domain_of(FunctionElement[str]):  # noqa: N801  it is called like the functions of SQL
    """`domain_of(Account.address)`: its A-labels, behind the one @. An index on it serves it."""

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


class name_of(FunctionElement[str]):  # noqa: N801  it is called like the functions of SQL
    """`name_of(Account.address)`: the local part without a plus and what follows it, and without dots.

    All spellings of a mailbox share it, but where a service has tags without a plus. Others may
    share it, too. It is compared byte by byte.
    """

    type = String()
    inherit_cache = True


@compiles(name_of)
def _name_by_position(element: name_of, compiler: SQLCompiler, **given: Any) -> str:
    column: ColumnElement[str] = next(iter(element.clauses))
    address = compiler.process(column, **given)
    local = f"substr({address}, 1, instr({address}, '@') - 1)"
    return f"replace(substr({local}, 1, instr({local} || '+', '+') - 1), '.', '')"


@compiles(name_of, "postgresql")
def _name_by_part(element: name_of, compiler: SQLCompiler, **given: Any) -> str:
    # Inside, where PostgreSQL tells it of an index: migrations are compared by that.
    address = f'{compiler.process(next(iter(element.clauses)), **given)} COLLATE "C"'
    return f"replace(split_part(split_part({address}, '@', 1), '+', 1), '.', '')"
