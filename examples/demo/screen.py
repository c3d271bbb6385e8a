"""What `make demo` prints: where everything is, and in the end what to open first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from identity.client_links import fill

from . import messenger

NEWCOMER: Final = "nina@agents.example"
INVITED: Final = "zoe@association.example"


def say(text: str) -> None:
    """Print a line beside the output, which programs may read."""
    click.echo(text, err=True)


def show(facts: dict[str, Any], facts_file: Path, missing: Sequence[str]) -> None:
    """Print the facts of demo.json that people need, and a line for each part that is missing."""
    click.echo(f"\nConsole   {facts['console']}   operators: see the file below")
    click.echo(f"          {facts['domain_request']} waits there for a decision")
    click.echo(f"Trust     {facts['ca_file']}")
    for name, server in facts["homeservers"].items():
        click.echo(f"{name:<9} {server['client_url']}   people @…:{server['server_name']}")
    for role in ("agent", "guest"):
        user = facts["users"][role]
        click.echo(f"{role:<9} {user['user_id']}   password {user['password']}")
    click.echo("Domains   agents.example, mixed.example; of guests: visitors.example")
    for line in missing:
        click.echo(f"Missing   {line}")
    say(f"\nFor programs: {facts_file}. Stop with Ctrl-C.")
    click.echo(
        "\nOpen, one after the other (Guichet's certificate is of this demo: let it pass):\n"
    )
    for number, line in enumerate(_first_steps(facts), start=1):
        click.echo(f"  {number}. {line}\n")


def _first_steps(facts: dict[str, Any]) -> list[str]:
    steps = [
        f"Sign up as an agent, for example {NEWCOMER}\n     {facts['guichet']}/start",
        f"Read the mailbox; Ana has invited {INVITED} there, a guest\n     {facts['guichet']}/dev/mail",
    ]
    if facts["messenger"]:
        ana = facts["users"]["agent"]
        home = facts["homeservers"][ana["homeserver"]]["client_url"]
        link = fill(
            facts["messenger"] + messenger.QUERY,
            homeserver_url=home,
            user_id=ana["user_id"],
            room_id=facts["room"],
        )
        steps.append(f"Open the messenger as Ana, password {ana['password']}\n     {link}")
    return steps
