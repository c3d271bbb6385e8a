"""Counting that stops: how many rows there are, up to a limit, so that the cost stays flat.

Also how `/metrics` and `/readyz` have PostgreSQL read: by the indexes that are made for them.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, func, literal, select, text
from sqlalchemy.orm import Session

from .database import Base

MOST: Final = 1000
"""Counts go up to this: whoever reads `/metrics` sees that there are so many or more."""

SETTINGS: Final = text(
    "select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),"
    " set_config('jit', 'off', true), set_config('statement_timeout', '2500', true)"
)


def read_by_index(session: Session) -> None:
    """For this transaction: by its estimates, PostgreSQL would read all of what waits.

    It does not know that nearly every lane is empty.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(SETTINGS)


def count_up_to(
    table: type[Base], *which: ColumnElement[bool], most: int = MOST
) -> ScalarSelect[Any]:
    """A scalar subquery: the number of rows for which all of `which` holds, `most` at most."""
    rows = select(literal(1)).select_from(table).where(*which).limit(most).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()
