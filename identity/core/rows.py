"""Counts, changes and deletes the rows of a table by conditions, in one statement each."""

from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    Update,
    delete as delete_statement,
    exists,
    func,
    inspect,
    select,
    tuple_,
    update as update_statement,
)
from sqlalchemy.orm import Session

from .database import Base
from .lists import is_found


def count(session: Session, *which: ColumnElement[bool]) -> int:
    """How many rows of the table named by these conditions meet all of them."""
    return session.scalar(select(func.count()).where(*which)) or 0


def is_any(session: Session, *which: ColumnElement[bool]) -> bool:
    """Whether a row of the table named by these conditions meets all of them."""
    return bool(session.scalar(select(exists().where(*which))))


def update(
    session: Session, table: type[Base], *which: ColumnElement[bool], **values: object
) -> int:
    """Set these columns in the rows that meet all conditions. Returns how many.

    Of several transactions that move a row out of its conditions at once, one counts it. Objects
    that the session has loaded stay as they are.
    """
    return _execute(session, update_statement(table).where(*which).values(**values))


def delete(
    session: Session, table: type[Base], *which: ColumnElement[bool], limit: int | None = None
) -> int:
    """Delete the rows that meet all conditions. Returns how many; loaded objects stay.

    `limit`: at most so many of them, and none that another transaction holds just now.
    """
    if limit is None:
        return _execute(session, delete_statement(table).where(*which))
    if limit <= 0:
        return 0
    key = inspect(table).primary_key
    some = select(*key).where(*which).limit(limit).with_for_update(skip_locked=True)
    named = tuple_(*key).in_(some) if len(key) > 1 else is_found(key[0], some)
    return _execute(session, delete_statement(table).where(named))


def _execute(session: Session, statement: Update | Delete) -> int:
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount
