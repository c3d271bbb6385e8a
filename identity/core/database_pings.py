"""Connections of the pool are tried before they are used, but for questions that can be repeated."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

ALONE = "guichet_alone"  # among the execution options of an engine: see `statements_alone`
FRESH = "guichet_fresh"  # in the `info` of a connection that was just made
OLD_PLAN = "0A000"  # SQLSTATE: a statement was prepared before one of its columns got another type
_untried: ContextVar[bool] = ContextVar("untried", default=False)


@contextmanager
def untried() -> Iterator[None]:
    """Connections that are taken in this block may be broken: the caller asks again then."""
    token = _untried.set(True)
    try:
        yield
    finally:
        _untried.reset(token)


@contextmanager
def statements_alone(connection: Connection) -> Iterator[None]:
    """With the option `ALONE`, each statement in this block is a transaction of its own.

    That saves BEGIN and COMMIT. The driver is told so itself: as an isolation level of SQLAlchemy it
    costs a quarter of a short question.
    """
    driver = connection.connection.driver_connection
    if not (connection.get_execution_options().get(ALONE) and driver):
        yield
        return
    driver.autocommit = True
    try:
        yield
    finally:
        with suppress(connection.dialect.loaded_dbapi.Error):  # it is broken
            driver.autocommit = False
        if driver.autocommit:
            driver.close()  # what the next one changes by it must be one transaction


def try_connections(engine: Engine) -> None:
    """Try each connection that is taken out of the pool; replace a broken one, and all old plans.

    As `pool_pre_ping` does, which cannot be left out for single connections.
    """
    dialect = engine.dialect

    def note(_connection: Any, record: Any) -> None:
        record.info[FRESH] = True

    def ping(connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.pop(FRESH, False) or _untried.get():
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            # The server was started anew, perhaps: then the others are broken as well.
            is_lost = dialect.is_disconnect(error, connection, None)
            raise (InvalidatePoolError if is_lost else DisconnectionError) from error

    def give_up(context: ExceptionContext) -> None:
        # The driver would send it again and again, also where there is no rollback: by `ask`.
        if getattr(context.original_exception, "sqlstate", None) == OLD_PLAN:
            context.is_disconnect = True

    event.listen(engine, "connect", note)
    event.listen(engine, "checkout", ping)
    event.listen(engine, "handle_error", give_up)
