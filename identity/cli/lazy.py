"""The root of all commands: it imports a command when that is called, and no other one.

Help and completion need only what `commands.py` says of each: its name, and what it is for.
"""

from pkgutil import resolve_name
from typing import Any, cast

import click

from identity.core.loaded_once import kept_for_good

FAILURES = "identity.command.failures:failure_of"
TABLES = "identity.tables:METADATA"


class Later(click.Command):
    """Stands for a command until it is called.

    `target`: where it is, as `module:attribute`. `verbs`: where other stories have more for its
    group. `help`: its first sentence. `all_tables`: whether it may ask or change any table, as what
    erases a person does; without, it knows those of the stories that it imports.
    """

    def __init__(
        self,
        target: str,
        help: str,  # noqa: A002  click's name
        *,
        verbs: tuple[str, ...] = (),
        all_tables: bool = True,
    ) -> None:
        super().__init__(name=None, help=help)
        self.target, self.verbs, self.all_tables = target, verbs, all_tables

    def load(self) -> click.Command:
        """Import it, and what belongs to its group."""
        with kept_for_good():
            if self.all_tables:
                resolve_name(TABLES)
            command = cast(click.Command, resolve_name(self.target))
            for verb in self.verbs:
                cast(click.Group, command).add_command(resolve_name(verb))
        return command


class LazyGroup(click.Group):
    """The root, which also turns exceptions into a message and an exit code."""

    def load(self, name: str) -> click.Command:
        """The command of this name, imported now unless it was before. Raises KeyError."""
        command = self.commands[name]
        if isinstance(command, Later):
            command = self.commands[name] = command.load()
        return command

    def load_all(self) -> None:
        """Import all commands, for who looks into them or runs many."""
        for name in self.commands:
            self.load(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else command, rest

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
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            failure = resolve_name(FAILURES)(error)
            if failure is None:
                raise
            raise failure from error
