"""`guichet person`: everything known of one person; exported, erased, or taken into the books."""

import json
import os
from pathlib import Path

import click

from domain_rules.addresses import EmailAddress
from identity.command.opening import author_here, changing, explained_options, open_services
from identity.command.outcomes import Failure
from identity.command.printing import (
    as_json,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.core.private_files import FILE
from identity.people import erasure, service as people
from identity.people.erased_outside import erase_outside
from identity.people.erasure import ErasedPerson
from identity.people.service import Known
from identity.services import Services

from .adoption import adopt
from .reading import read_address

ACCOUNTS_STAY = (
    "Accounts on homeservers go on: until Guichet ends accounts there, deactivate them yourself."
)


@click.group()
def person() -> None:
    """One person: what is known of them, and what they may ask for."""


@person.command()
@click.argument("address")
@as_json
def show(address: str) -> None:
    """Show everything known of the owner of ADDRESS, as one timeline.

    Takes every spelling that Guichet takes, and includes other spellings of the same mailbox.
    Codes and texts of mails are stored nowhere; addresses of other people are masked.

    \b
    Exit codes: 0 something is or was known, 1 nothing is known of this address.

    \b
    JSON: {"address": text, "addresses": [text], "accounts": [user ID], "erased_at": time or null,
           "timeline": [{"at": time, "section", "what": text}], "data": {section: [object]},
           "acts_of_operators": [{"at": time, "by", "what", "why": text}],
           "stays_after_erasing": {"table.column": number}}
    """  # noqa: D301  \b is click's: keep these lines
    typed = read_address(address)
    with open_services() as services, services.database.reading() as session:
        known = people.known_of(session, services.hashes, services.now(), typed)
    if not known.is_anything and not known.acts:
        raise Failure(f"nothing is known of {typed.display}")
    if print_json(people.shown(known)):
        return
    print_table(
        ("when", "about", "what"),
        ((readable_time(at), section, what) for at, section, what in people.timeline(known)),
    )
    _tell(known)


@person.command()
@click.argument("address")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, which must not exist; only you can read it.  [default: print it]",
)
def export(address: str, *, output: Path | None) -> None:
    """Export everything stored about the owner of ADDRESS as JSON, for themselves (GDPR 15, 20).

    Addresses and user IDs of other people are masked. Be sure that you give it to the owner of the
    mailbox.

    \b
    JSON: {"address": text, "other_spellings": [text], "accounts": [user ID], "exported_at": time,
           "note": text, "data": {section: [object]}, "acts_of_operators": [object],
           "rules_and_journal": {"table.column": number}}
    """  # noqa: D301  \b is click's: keep these lines
    typed = read_address(address)
    with open_services() as services, services.database.reading() as session:
        now = services.now()
        known = people.known_of(session, services.hashes, now, typed)
    if not known.is_anything and not known.acts:
        raise Failure(f"nothing is known of {typed.display}")
    text = json.dumps(people.export(known, now), ensure_ascii=False, indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    _write_private(output, text)
    print_message(f"Everything about {typed.display} is in {output}, which only you can read.")


@person.command()
@click.argument("address")
@explained_options
def erase(address: str, *, reason: str, author: str, dry_run: bool) -> None:
    """Erase everything stored about the owner of ADDRESS, in every spelling of their mailbox.

    What waits for them ends: mails, codes, invitations, lists, sessions. The journal keeps the act
    and a keyed hash. Rules for their address stay, since they are your decisions: remove them with
    `guichet domain remove`. What they refused is forgotten too, so they may be invited again.

    Accounts on homeservers go on, and may make new data here: until the life of accounts is part of
    Guichet, deactivate them on the homeserver first.

    A line without the address is added to the erasure log (GUICHET_ERASURE_LOG), so that a restored
    backup can forget them again.

    \b
    JSON: {"address": text, "addresses": [text], "accounts": [user ID], "rows": {kind: number},
           "ended": [text], "stays": [text], "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    typed = read_address(address)
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        log = None if dry_run else services.settings.erasure_log_file
        done = erasure.erase(session, services.hashes, services.now(), typed, who, log=log)
    if done is None:
        print_message(f"Nothing is stored about {typed.display}.")
        done = ErasedPerson(people.nobody(typed))
    elif not dry_run:
        _erase_outside(services, done)
    _tell_erased(typed, done, dry_run=dry_run)
    facts = {
        "address": typed.canonical,
        "addresses": list(done.person.addresses),
        "accounts": list(done.person.all_user_ids),
    }
    more = {"rows": done.rows, "ended": done.ended, "stays": done.stays, "dry_run": dry_run}
    print_json(facts | more)


person.add_command(adopt)


def _erase_outside(services: Services, done: ErasedPerson) -> None:
    """Files and counters; the database forgot before, so this may be repeated."""
    mail_dir = services.settings.mail_dir
    if not erase_outside(services.database, mail_dir, services.limits, done):
        print_message(
            "Redis does not answer: counters with their user ID are left there for two days at most."
        )


def _tell(known: Known) -> None:
    others = known.person.addresses[1:]
    if others:
        print_message(f"Other spellings of the mailbox: {', '.join(others)}")
    if known.person.all_user_ids:
        print_message(f"Accounts: {', '.join(known.person.all_user_ids)}")
    if known.erased_at:
        print_message(
            f"Erased on {readable_time(known.erased_at)}"
            + ("; what is shown came since." if known.records else "; nothing is stored since.")
        )
    for name, count in known.stays.items():
        print_message(f"{count} rows of {name} name them, and would stay after erasing.")


def _tell_erased(typed: EmailAddress, done: ErasedPerson, *, dry_run: bool) -> None:
    if not done.rows:
        return
    count = sum(done.rows.values())
    would = f"{count} rows about {typed.display} would be erased. Nothing was written."
    print_message(would if dry_run else f"{count} rows about {typed.display} are erased.")
    for kind, number in sorted(done.rows.items()):
        print_message(f"  {number} {kind.replace('_', ' ')}")
    if len(done.person.addresses) > 1:
        print_message(f"Spellings: {', '.join(done.person.addresses)}")
    for each in done.ended:
        print_message(f"Ends: {each}.")
    for each in done.stays:
        print_message(f"Stays: {each}.")
    if done.person.all_user_ids:
        print_message(ACCOUNTS_STAY)


def _write_private(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE)
    except FileExistsError:
        raise Failure(f"{path} exists already; name another file") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, FILE)
        file.write(text)
