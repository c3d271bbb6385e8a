"""Prints data on stdout, as a table or as JSON, and messages on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

JSON = "identity.command.json"  # whether --json was given, in click's context


def _remember(context: click.Context, _option: click.Parameter, wanted: object) -> None:
    context.meta[JSON] = wanted


as_json = click.option(
    "--json", is_flag=True, expose_value=False, callback=_remember, help="Print data as JSON."
)


def is_json_wanted() -> bool:
    """Whether the command that runs was given --json."""
    return bool(click.get_current_context().meta.get(JSON))


def print_message(message: str) -> None:
    """Print a message for people on stderr, since programs read stdout."""
    click.echo(message, err=True)


def print_json(data: Any) -> bool:
    """Print the data if the command was given --json. Returns whether it was."""
    if is_json_wanted():
        click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
    return is_json_wanted()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere fields separated by tabs, without a heading."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_plain(field) for field in row))
        return
    from rich.console import Console  # noqa: PLC0415  it is for terminals, and slow to load
    from rich.table import Table  # noqa: PLC0415  most commands print no table
    from rich.text import Text  # noqa: PLC0415  most commands print no table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_plain(field)) for field in row))
    Console(no_color="NO_COLOR" in os.environ).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print pairs of a name and a value, one per line."""
    for name, value in facts:
        click.echo(f"{name:<20} {_plain(value)}".rstrip())


def readable_time(moment: datetime) -> str:
    """`2027-03-01 09:00:00Z`."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _plain(text: str) -> str:
    """The text without control characters and line breaks."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
