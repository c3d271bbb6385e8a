"""What a database does not do: it is away, takes no changes, or its tables are not as this code needs them."""

import logging

from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    TimeoutError as NoConnection,
)

from . import metrics

log = logging.getLogger(__name__)

NO_STATE = "none"  # the SQLSTATE of a fault that the server did not name
INCOMPLETE = {  # SQLSTATE
    "42703",  # no such column
    "42P01",  # no such table
    "3F000",  # no such schema
    "42P10",  # no unique index for ON CONFLICT: a loaded dump makes them last
    "42501",  # no permission: likewise
}
AWAY: tuple[type[SQLAlchemyError], ...] = (
    *(OperationalError, InterfaceError, NoConnection),
    InternalError,  # it is read-only, ended the transaction, or its files are broken
)
"""What is raised while the database does not answer, answers too late, or takes no changes."""


def is_schema_incomplete(error: SQLAlchemyError) -> bool:
    """Whether a statement failed since tables are missing, or not as this code needs them.

    The database has not been upgraded to this code, or a dump is being loaded into it.
    """
    if isinstance(error, ProgrammingError):
        return sqlstate(error.orig) in INCOMPLETE
    # SQLite has no name of its own for it.
    return isinstance(error, OperationalError) and str(error.orig).startswith("no such ")


def sqlstate(error: BaseException | None) -> str:
    """The SQLSTATE of a fault, or SQLite's name of it; `none` if the server said nothing."""
    found = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    return found if isinstance(found, str) else NO_STATE


def record_faults(engine: Engine) -> None:
    """Count and log what this database does not do."""
    event.listen(engine, "handle_error", _record)


def _record(context: ExceptionContext) -> None:
    # That a row is there already is no fault.
    fault = context.original_exception
    if isinstance(context.sqlalchemy_exception, IntegrityError):
        return
    state = sqlstate(fault)
    metrics.DATABASE_FAULTS.inc(sqlstate=state)
    log.warning("database: %s", type(fault).__name__, extra={"sqlstate": state})
