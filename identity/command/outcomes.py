"""Exit codes of commands, and the messages they print instead of a traceback."""

import errno
from enum import IntEnum
from typing import IO, Any

import click
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


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    REFUSED = 3  # by policy
    APPROVAL = 4  # made, and needs the approval of another person
    PARTLY = 5
    UNREACHABLE = 6


class Failure(click.ClickException):
    """Ends the command with a message on stderr."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]  # click reads it from the instance too

    def show(self, file: IO[Any] | None = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"guichet: {line}", file=file, err=file is None)


class Guichet(click.Group):
    """The root of all commands, which turns exceptions into a message and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse words of another encoding: neither database nor terminal takes them."""
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                shown = word.encode(errors="surrogateescape").decode(errors="replace")
                raise click.UsageError(
                    f"{shown!r} is not UTF-8; set your terminal to it."
                ) from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Stopped as error:
            raise Failure(str(error), Exit.REFUSED) from error
        except (WrongSettings, WrongEnvFile, UnreadableSecret, Problem) as error:
            raise Failure(str(error)) from error
        except CannotOpen as error:
            raise Failure(
                "GUICHET_STORAGE_KEYS, GUICHET_HOMESERVER_KEYS: no key of these opens what is stored"
            ) from error
        except Blocked as error:
            raise Failure(f"the schema of the database: {error}") from error
        except CommandError as error:
            raise Failure(f"the schema of the database: {error}") from error
        except SQLAlchemyError as error:
            raise _of_database(error) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # as with `| head`: click handles it
                raise
            raise Failure(": ".join(filter(None, (error.filename, error.strerror)))) from error


def _of_database(error: SQLAlchemyError) -> Failure:
    if isinstance(error, OperationalError | InterfaceError | TimeoutError):
        return Failure(f"the database does not answer: {_first_line(error)}", Exit.UNREACHABLE)
    if isinstance(error, DBAPIError):
        return Failure(f"the database refused: {_first_line(error)}")
    return Failure(f"GUICHET_DATABASE_URL: {_first_line(error)}")


def _first_line(error: SQLAlchemyError) -> str:
    said = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(said).splitlines()), type(error).__name__)
