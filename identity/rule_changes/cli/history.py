"""`guichet domain history`, `diff` and `rollback`: list, compare and restore revisions."""

from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command.opening import open_services
from identity.command.printing import as_json, print_json, print_message, print_table, readable_time
from identity.routing import models as rules
from identity.rule_changes import service as rule_changes
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.change_models import Origin
from identity.rule_changes.views import describe_difference

from .differences import print_difference
from .publishing import change, publishing


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, the newest first.",
)
@as_json
def history(*, limit: int) -> None:
    """List the revisions: when, who, what and why.

    \b
    JSON: [{"revision", "based_on": number, "published_at": time,
            "author", "summary", "reason": text}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = rules.revisions(session, limit=limit)
    columns = ("based_on", "author", "summary", "reason")
    shown = [
        {"revision": each.number, "published_at": each.published_at.isoformat()}
        | {column: getattr(each, column) for column in columns}
        for each in found
    ]
    if print_json(shown):
        return
    rows = (
        (str(each.number), readable_time(each.published_at), each.author, each.summary, each.reason)
        for each in found
    )
    print_table(("revision", "published", "by", "rules", "why"), rows)


@click.command()
@click.argument("older", type=int)
@click.argument("newer", type=int, required=False)
@click.option("-v", "--verbose", is_flag=True, help="Show every change.")
@as_json
def diff(older: int, newer: int | None, *, verbose: bool) -> None:
    """Show what changed from revision OLDER to NEWER, or to the newest.

    JSON: as of `add`, without revision and impact. `base` is OLDER.
    """
    with open_services() as services, services.database.reading() as session:
        to = rules.current_number(session) if newer is None else newer
        difference = rule_changes.compare_revisions(session, older, to)
    if print_json(describe_difference(difference)):
        return
    print_difference(difference, whole=verbose)
    print_message(
        f"From revision {older} to {to}: {difference.summary}, {difference.unchanged} unchanged."
    )


@click.command()
@click.argument("revision", type=int)
@publishing
def rollback(revision: int, **options: Any) -> None:
    """Publish the rules of REVISION again, as the next revision.

    People who are moved back are told of both homeservers for a while, as after any move.

    JSON: as of `add`.
    """
    options["reason"] = options["reason"] or f"back to revision {revision}"
    with open_services() as services:
        change(services, options, lambda session: _back_to(session, revision))


def _back_to(session: Session, revision: int) -> Wanted:
    back = rule_changes.compare_to_revision(session, revision)
    return Wanted(
        title=f"Back to revision {revision}",
        put=back.begun,
        take_away=[(rule.kind, rule.pattern) for rule in back.removed],
        origin=Origin.ROLL_BACK,
        allows_public=True,  # it was in force
    )
