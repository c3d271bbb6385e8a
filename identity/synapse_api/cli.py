"""`guichet homeserver refusals`: what our modules refused a user, for those who give support."""

import click

from identity.command.opening import open_services
from identity.command.printing import as_json, print_json, print_message, print_table

from . import report_models


@click.command()
@click.argument("user_id", metavar="USER_ID")
@as_json
def refusals(user_id: str) -> None:
    """Show what this user was refused lately, the latest first; docs/synapse.md has the reasons.

    \b
    JSON: [{"reason": text, "count": number, "last_at": time}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        rows = [
            {
                "reason": row.reason,
                "count": row.count,
                "last_at": row.last_at.isoformat(timespec="seconds"),
            }
            for row in report_models.refusals_of(session, user_id)
        ]
    if print_json(rows):
        return
    print_table(
        ("reason", "count", "last_at"), ([str(value) for value in row.values()] for row in rows)
    )
    if not rows:
        print_message(f"No module has reported a refusal of {user_id}.")
