"""`guichet ops`: the operators of the console."""

import click

from identity.command.opening import author_here, change_options, changing
from identity.command.outcomes import Failure
from identity.command.printing import print_json, print_message

from . import entering


@click.group()
def ops() -> None:
    """The operators of the console: who they are, and how they come in."""


@ops.command()
@click.argument("operator", required=False, metavar="[MAIL or NAME]")
@change_options
def link(operator: str | None, *, author: str, reason: str, dry_run: bool) -> None:
    """Print a link that lets an operator in once, within a quarter of an hour.

    It takes the place of the code in a mail, and not of the second factor. Without a name it is for
    the one operator of a trial installation.

    JSON: {"link": text, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        if operator is not None:
            found = entering.find_by_name_or_mail(session, operator)
            token = entering.link_for(session, services.now(), who, found)
        elif services.settings.is_embedded and services.settings.is_local:
            token = entering.embedded_link(session, services.now(), who)
        else:
            raise Failure("name an operator: guichet ops list shows them")
        url = f"{services.settings.public_url}{entering.PATH}{token}"
    if not print_json({"link": url, "dry_run": dry_run}):
        click.echo(url)
    if dry_run:
        print_message("Nothing was written: this link lets nobody in.")
