"""`guichet journal`: list the changes in the journal, and verify its hash chain."""

import json
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.command.opening import open_services
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table, readable_time
from identity.core import journal_views
from identity.core.journal import find_recent
from identity.rule_changes import journal_check
from identity.services import Services

SHOWN = 2  # names of a long list


@click.group()
def journal() -> None:
    """Changes: who, when, from where, what, why.

    Rows are only added, each with the hash of the one before.
    """


@journal.command(name="list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, the newest first.",
)
@click.option("--action", help="Only these: rules.publish, or a noun alone, rules.")
@click.option(
    "--about",
    metavar="USER_OR_ADDRESS",
    help="Only about this person, whom the journal names by a keyed hash.",
)
@as_json
def list_(*, limit: int, action: str | None, about: str | None) -> None:
    """List the newest changes.

    \b
    JSON: [{"number": number, "at": time, "actor", "origin", "action", "subject": text,
            "facts": object, "reason": text, "request_id": text or null, "hash": text}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        subjects = None if about is None else _names_of(services, session, about)
        found = find_recent(session, limit=limit, action=action, subjects=subjects)
    if not print_json([journal_views.describe(entry) for entry in found]):
        print_table(
            ("number", "at", "by", "what", "of", "facts", "why"),
            (
                (
                    str(entry.number),
                    readable_time(entry.at),
                    entry.actor,
                    entry.action,
                    entry.subject,
                    _short(json.loads(entry.facts)),
                    entry.reason,
                )
                for entry in found
            ),
        )


def _names_of(services: Services, session: Session, about: str) -> list[str]:
    """How rows may name a user or the owner of an address: by hashes, or earlier by user IDs."""
    if about.startswith("@"):
        return [about, *filter(None, [services.hashes.find_journal_name_of_user(session, about)])]
    try:
        address = EmailAddress.parse(about, smtputf8=True)
    except InvalidAddress as error:
        raise Failure(f"this is not an email address: {error}", Exit.USAGE) from error
    found = services.hashes.find_journal_name(session, address.mailbox_key())
    return [address.canonical, *filter(None, [found])]


@journal.command()
@click.option("--head", metavar="HASH", help="A head noted earlier; it must still be in the chain.")
@as_json
def verify(*, head: str | None) -> None:
    """Check every row against the one before, and the rules of every revision against their row.

    Prints the head of the chain. Note it somewhere else: it shows later that no end was cut off.

    \b
    JSON: {"rows": number, "head": hash, "fault": {"number": number, "what": text} or null}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        done = journal_check.verify(session, noted_head=head)
    fault = done.fault
    is_told = print_json(asdict(done))
    if fault:
        raise Failure(f"row {fault.number} of the journal: {fault.what}")
    if not is_told:
        click.echo(done.head)
    print_message(f"{done.rows} rows, each as it was written.")


def _short(facts: dict[str, Any]) -> str:
    """The facts on one line, abridged; --json has them in full."""
    told = {name: value for name, value in facts.items() if name != "digest"}
    return ", ".join(
        f"{name}: {_few(value) if isinstance(value, list) else value}"
        for name, value in told.items()
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
