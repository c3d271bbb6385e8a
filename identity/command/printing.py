"""Prints data on stdout, as a table or as JSON, and messages on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print data as JSON.")


def print_message(message: str) -> None:
    """Print a message for people on stderr, since programs read stdout."""
    click.echo(message, err=True)


def print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere fields separated by tabs, without a heading."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_plain(field) for field in row))
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_plain(field)) for field in row))
    Console(no_color="NO_COLOR" in os.environ).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print pairs of a name and a value, one per line."""
    for name, value in facts:
        click.echo(f"{name:<20} {_plain(value)}".rstrip())


def _plain(text: str) -> str:
    """The text without control characters and line breaks."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
