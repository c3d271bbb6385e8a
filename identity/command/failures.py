"""What a command says of an exception, in place of a traceback, and with which exit code."""

import errno

from alembic.util import CommandError
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,  # noqa: A004  of the pool
)

from identity.core.sealing import CannotOpen
from identity.env_files import WrongEnvFile
from identity.migrations.running import Blocked
from identity.problems import Problem, Stopped
from identity.setting_sources import UnreadableSecret
from identity.settings import WrongSettings

from .outcomes import Exit, Failure


def failure_of(error: Exception) -> Failure | None:
    """What operators read of it; None if nobody foresaw it, or click itself handles it."""
    if isinstance(error, WrongSettings | WrongEnvFile | UnreadableSecret | Problem):
        return Failure(str(error), Exit.REFUSED if isinstance(error, Stopped) else Exit.FAILED)
    if isinstance(error, CannotOpen):
        return Failure(
            "GUICHET_STORAGE_KEYS, GUICHET_HOMESERVER_KEYS: no key of these opens what is stored"
        )
    if isinstance(error, Blocked | CommandError):
        return Failure(f"the schema of the database: {error}")
    if isinstance(error, SQLAlchemyError):
        return _of_database(error)
    if isinstance(error, OSError) and error.errno != errno.EPIPE:  # as with `| head`: click's
        return Failure(": ".join(filter(None, (error.filename, error.strerror))))
    return None


def _of_database(error: SQLAlchemyError) -> Failure:
    if isinstance(error, OperationalError | InterfaceError | TimeoutError):
        return Failure(f"the database does not answer: {_first_line(error)}", Exit.UNREACHABLE)
    if isinstance(error, DBAPIError):
        return Failure(f"the database refused: {_first_line(error)}")
    return Failure(f"GUICHET_DATABASE_URL: {_first_line(error)}")


def _first_line(error: SQLAlchemyError) -> str:
    said = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(said).splitlines()), type(error).__name__)
