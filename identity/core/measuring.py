"""Counting that stops: how many rows there are, up to a limit, so that the cost stays flat."""

from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, func, literal, select

from .database import Base

MOST: Final = 1000
"""Counts go up to this: whoever reads `/metrics` sees that there are so many or more."""


def count_up_to(
    table: type[Base], *which: ColumnElement[bool], most: int = MOST
) -> ScalarSelect[Any]:
    """A scalar subquery: the number of rows for which all of `which` holds, `most` at most."""
    rows = select(literal(1)).select_from(table).where(*which).limit(most).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()
