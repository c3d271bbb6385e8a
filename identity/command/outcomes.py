"""The exit codes of commands, and how a command ends with a message."""

from enum import IntEnum
from typing import IO, Any

import click


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
