"""`guichet domain export`: write the rules to a file that `import` reads."""

from pathlib import Path

import click

from domain_rules.csv_rules import write_csv
from domain_rules.writing import write_yaml
from identity.command.opening import open_services
from identity.command.printing import print_message
from identity.routing import models as rules


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
def export(*, form: str | None, output: Path | None) -> None:
    """Write the rules of the newest revision, in YAML or CSV of our own.

    Always in the same order: two exports can be compared line by line. Importing the file again
    changes nothing. Homeservers are not in it (`guichet homeserver list`).
    """
    with open_services() as services, services.database.reading() as session:
        revision = rules.current_number(session)
        found = rules.load(session, revision)
    if (form or (output.suffix if output else "")).removeprefix(".").lower() == "csv":
        text = write_csv(found)
    else:
        heading = f"Rules of revision {revision}. To import: guichet domain import FILE --dry-run"
        text = write_yaml(found, heading=heading)
    if output is None:
        click.echo(text, nl=False)
    else:
        # newline="": line ends inside a note are kept as they are
        output.write_text(text, encoding="utf-8", newline="")
    print_message(f"{len(found)} rules, revision {revision}.")
