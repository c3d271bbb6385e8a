"""`guichet domain export`: write the rules to a file that `import` reads."""

from collections.abc import Sequence
from pathlib import Path

import click
from sqlalchemy.orm import Session

from domain_rules.csv_rules import write_csv
from domain_rules.rule import Rule
from domain_rules.writing import write_yaml
from identity.command.labels import CHANGE
from identity.command.opening import open_services
from identity.command.printing import print_message
from identity.routing import models as rules
from identity.rule_changes import changes, lines, service


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "csv"]),
    help="As the name of --output ends; else yaml.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead of stdout.",
)
@click.option("--revision", type=int, help="The rules of this earlier revision.")
@click.option(
    "--as-of", "draft", type=CHANGE, help="The rules as if this change were applied: C-142."
)
def export(
    *, form: str | None, output: Path | None, revision: int | None, draft: int | None
) -> None:
    """Write the rules of the newest revision, in YAML or CSV of our own.

    Always in the same order: two exports can be compared line by line. Importing the file again
    changes nothing. Homeservers are not in it (`guichet homeserver list`).
    """
    if revision is not None and draft is not None:
        raise click.UsageError("give --revision or --as-of, one of the two")
    with open_services() as services, services.database.reading() as session:
        what, found = _load(session, revision, draft)
    if (form or (output.suffix if output else "")).removeprefix(".").lower() == "csv":
        text = write_csv(found)
    else:
        heading = f"Rules of {what}. To import: guichet domain import FILE --dry-run"
        text = write_yaml(found, heading=heading)
    if output is None:
        click.echo(text, nl=False)
    else:
        # newline="": line ends inside a note are kept as they are
        output.write_text(text, encoding="utf-8", newline="")
    print_message(f"{len(found)} rules, {what}.")


def _load(session: Session, revision: int | None, draft: int | None) -> tuple[str, Sequence[Rule]]:
    """What the rules are, and the rules. Raises NoSuchRevision, NoSuchChange."""
    if draft is not None:
        change = changes.required(session, draft)
        return f"the newest revision with {change.label}", lines.load_after(session, change)
    newest = rules.current_number(session)
    number = newest if revision is None else service.required(session, revision)
    return f"revision {number}", rules.load(session, number)
