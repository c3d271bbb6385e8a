"""`guichet token`: API tokens of programs."""

from datetime import timedelta
from typing import Any

import click

from identity.command.opening import author_here, change_options, changing, open_services
from identity.command.printing import (
    as_json,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.operators import access_views as views, entering, tokens

from .standing import read_standing, standing_options


@click.group()
def token() -> None:
    """API tokens: each belongs to an operator, and may never do more than they may."""


@token.command()
@click.argument("name")
@click.option("--for", "operator", required=True, metavar="OPERATOR", help="Whose token it is.")
@standing_options
@click.option(
    "--days", default=90, show_default=True, type=click.IntRange(1, 365), help="How long it lasts."
)
@change_options
def add(
    name: str,
    *,
    operator: str,
    days: int,
    author: str,
    reason: str,
    dry_run: bool,
    **typed: Any,
) -> None:
    """Make a token, and print it: it is stored nowhere.

    JSON: {"token", "name": text, "ends_at": time, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        row, made = tokens.issue(
            session,
            services.now(),
            who,
            entering.find_by_name_or_mail(session, operator),
            name=name,
            standing=read_standing(**typed),
            lifetime=timedelta(days=days),
        )
        facts = {"token": made, "name": row.name, "ends_at": row.ends_at}
    if not print_json(facts | {"dry_run": dry_run}):
        click.echo(made)
    if dry_run:
        print_message("Nothing was written: this token opens nothing.")
    else:
        print_message(f"It ends {readable_time(row.ends_at)}. It is not shown again.")


@token.command(name="list")
@as_json
def list_() -> None:
    """Show all tokens, also those that ended.

    \b
    JSON: [{"id", "name", "operator", "state": text, "roles", "organisations", "homeservers": [text],
            "created_at", "ends_at": time, "used_at", "ended_at": time or null}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = views.tokens_told(session, services.now())
    if not print_json(found):
        print_table(
            ("name", "of", "roles", "looks after", "state", "ends", "last used"),
            (
                (
                    *(each["name"], each["operator"], ", ".join(each["roles"])),
                    ", ".join(each["organisations"] + each["homeservers"]) or "everything",
                    each["state"],
                    readable_time(each["ended_at"] or each["ends_at"]),
                    readable_time(each["used_at"]) if each["used_at"] else "never",
                )
                for each in found
            ),
        )


@token.command()
@click.argument("name")
@change_options
def end(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """End the token NAME at once.

    JSON: {"ended", "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        ended = tokens.end(session, services.now(), who, name)
    if not print_json({"ended": ended, "dry_run": dry_run}):
        done = f"{name} is ended." if ended else f"{name} had ended before."
        print_message("Nothing was written." if dry_run else done)
