"""`guichet mail`: what happened to the mails that were requested."""

import sys
import uuid
from typing import Any, cast

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    explained_options,
    open_services,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_facts, print_json, print_message, print_table
from identity.core.keyed_hashes import LostKey
from identity.core.sealing import CannotOpen
from identity.mail import (
    bounces,
    cancelling,
    models as mails,
    operator_changes,
    results as mail_results,
)
from identity.mail.models import Mail, MailState
from identity.mail.views import MEANING, describe, describe_all
from identity.mail_kinds import kind_of
from identity.services import Services
from identity.settings import WrongSettings

from .pausing import pause, paused, resume

MAX_BYTES = 1 << 20  # of a bounce: its report comes before the returned mail
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the mail server keeps the bounce
COLUMNS = ("created_at", "state", "template", "address", "id")
TRIES = ("attempt", "began_at", "ended_at", "outcome", "reply")


@click.group()
def mail() -> None:
    """Mails: what was asked for, and what became of it."""


@mail.command(name="list")
@click.option("--state", type=click.Choice([str(state) for state in MailState]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_(*, state: str | None, limit: int) -> None:
    """List the newest mails.

    JSON: {"counts": {state: number}, "mails": [as `show`, without the tries]}
    """
    with open_services() as services, services.database.reading() as session:
        found = mails.find_recent(session, state=MailState(state) if state else None, limit=limit)
        rows = describe_all(session, found)
        counts = mails.count_by_state(session)
    if print_json({"counts": counts, "mails": rows}):
        return
    print_table(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
    print_message(
        ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "No mail yet."
    )


@mail.command()
@click.argument("mail_id", metavar="ID", type=click.UUID)
@as_json
def show(mail_id: uuid.UUID) -> None:
    """Show one mail; its text is made when it is sent and kept nowhere.

    \b
    JSON: {"id", "template", "address", "language", "state", "meaning", "created_at": text,
           "handed_at", "outcome", "last_reply", "trace_id": text or null,
           "errand": {"lane": text, "attempts": number, "uncertain": number, "due_at", "gave_up_at",
                      "last_error"} or null,
           "tries": [{"attempt": number, "began_at": text, "ended_at", "outcome", "reply":
                      text or null}]}
    `uncertain`: attempts whose end is not known, or that are under way. `tries`: the newest 50 times
    that the mail was handed to the relay, oldest first; `outcome` is `handed` or a class of failure.
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        shown = describe(session, _find(session, mail_id))
    if print_json(shown):
        return
    print_facts(_readable(shown))
    if shown["tries"]:
        print_table(TRIES, ([_text(each[name]) for name in TRIES] for each in shown["tries"]))


@mail.command()
@click.argument("address")
@as_json
def why(address: str) -> None:
    """Tell what became of the mails to ADDRESS, newest first.

    JSON: a list of what `show` prints, without the tries.
    """
    canonical = _canonical(address)
    with open_services() as services:
        with services.database.reading() as session:
            found = mails.find_by_address(session, canonical)
            rows = describe_all(session, found)
        mark = services.mark_of(canonical)
    if print_json(rows):
        return
    for row in rows:
        click.echo("  ".join(filter(None, (row["created_at"], row["template"], _summary(row)))))
    if not rows:
        print_message(f"No mail to {canonical} is known. What is kept, how long: docs/behaviour.md")
    if mark:
        print_message(f'Lines of the log about this address have "address": "{mark}".')


@mail.command()
@click.argument("mail_id", metavar="ID", type=click.UUID)
@change_options
def retry(mail_id: uuid.UUID, *, author: str, reason: str, dry_run: bool) -> None:
    """Try again at once to hand over a mail that waits or was given up.

    JSON: the mail, as `show`
    """
    with changing(dry_run=dry_run) as (services, session):
        found, now = _find(session, mail_id), services.now()
        me = author_here(author=author, reason=reason)
        is_tried = operator_changes.retry(session, now, me, found)
        shown = describe(session, found)
    if is_tried:
        print_json(shown)
    else:
        raise Failure(f"{mail_id}: nothing to try again, {MEANING[MailState(found.state)]}")
    print_message(
        "It would be tried again. Nothing was written." if dry_run else "It is tried again now."
    )


@mail.command()
@click.argument("mail_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--to", "address", metavar="ADDRESS", help="All mails that wait for this mailbox.")
@explained_options
def cancel(
    mail_id: uuid.UUID | None, *, address: str | None, reason: str, author: str, dry_run: bool
) -> None:
    """Cancel a mail that waits, or with --to all that wait for a mailbox in every spelling.

    What the mail is about goes on: an invitation stands, a request stays open, and another mail may
    be asked for.

    JSON: {"cancelled": [as `show`, without the tries], "dry_run": boolean}
    """
    if (mail_id is None) == (address is None):
        raise Failure("name one mail by its ID, or a mailbox by --to ADDRESS", Exit.USAGE)
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        found = (
            cancelling.find_waiting(session, _canonical(address))
            if address is not None
            else [_find(session, cast("uuid.UUID", mail_id))]
        )
        now, hashes = services.now(), services.hashes
        done = cancelling.cancel(session, hashes, now, found, who, kind_of=kind_of)
        shown = describe_all(session, done)
    if not done and mail_id is not None:
        raise Failure(f"{mail_id}: it waits no more, {MEANING[MailState(found[0].state)]}")
    verb = "would be cancelled. Nothing was written" if dry_run else "cancelled"
    print_message(f"{len(done)} mails {verb}.")
    print_json({"cancelled": shown, "dry_run": dry_run})


for command in (pause, resume, paused):
    mail.add_command(command)


@mail.command()
@click.argument("address")
@change_options
def allow(address: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Write to ADDRESS again, though its mail server said that there is no such mailbox.

    JSON: {"address": text, "changed", "dry_run": boolean}
    """
    canonical = _canonical(address)
    with changing(dry_run=dry_run) as (services, session):
        me, now = author_here(author=author, reason=reason), services.now()
        stood = operator_changes.allow(session, now, me, services.hashes, canonical)
    print_json({"address": canonical, "changed": stood, "dry_run": dry_run})
    print_message(f"{canonical}: {'mails go there again' if stood else 'nothing kept mails away'}.")


@mail.command()
@click.option(
    "--to", metavar="ADDRESS", help="The address it arrived at.  [default: from its headers]"
)
def bounce(to: str | None) -> None:
    """Read one delivery report or complaint from standard input, as a mail server's pipe hands it over.

    Recipients who report an invitation as spam receive no further invitations.

    \b
    Exit codes: 0 processed, or there is nothing to process (an automatic answer, a report in words
    only); 3 refused, it is not about a mail of ours; 75 try again later.
    """  # noqa: D301  \b is click's: keep these lines
    raw = sys.stdin.buffer.read(MAX_BYTES)
    try:
        with open_services() as services:
            result = take_bounce(services, raw, to)
    except bounces.NoReport as error:
        result = f"ignored: {error}"
    except (SQLAlchemyError, WrongSettings, CannotOpen, LostKey, OSError) as error:
        print_message(f"guichet: the bounce cannot be taken now: {type(error).__name__}")
        raise SystemExit(TRY_AGAIN) from None
    print_message(result)


def take_bounce(services: Services, raw: bytes, to: str | None) -> str:
    """Process one message to a bounce address; returns a line about what was done.

    Raises NoReport, and Failure if the message is not about a mail of ours.
    """
    message = bounces.parse_message(raw)
    domain = services.settings.mail_bounce_domain or ""
    addresses = [
        *([to] if to else bounces.recipients_of(message)),
        *bounces.envelope_senders_of(message),
    ]
    named = (bounces.read_bounce_address(each, domain) for each in addresses)
    mail_id, mark = next(filter(None, named), (None, ""))
    if mail_id is None or not _is_ours(services, mark, mail_id):
        raise Failure("refused: it did not come to the bounce address of a mail", Exit.REFUSED)
    if bounces.is_complaint(message):
        return _take_complaint(services, mail_id)
    report = bounces.read_report(message)
    with services.database.transaction() as session:
        row = _find_known(session, mail_id)
        outcome, reply = report.outcome, report.reply(row.address)
        if report.action is bounces.Action.DELAYED:
            mail_results.record_delayed(session, row, outcome=outcome, reply=reply)
        else:
            mail_results.record_refused(
                session,
                services.hashes,
                services.now(),
                row,
                outcome=outcome,
                reply=reply,
                kind=kind_of(row),
            )
    return f"mail {mail_id}: {report.action}, {report.outcome}"


def _is_ours(services: Services, mark: str, mail_id: uuid.UUID) -> bool:
    with services.database.reading() as session:
        return services.hashes.is_bounce_mark(session, mark, mail_id)


def _take_complaint(services: Services, mail_id: uuid.UUID) -> str:
    with services.database.transaction() as session:
        row = _find_known(session, mail_id)
        is_over = kind_of(row).on_complaint(session, services.hashes, services.now(), row.address)
    follows = "no more invitations to this address" if is_over else "not about an invitation"
    return f"mail {mail_id}: complaint, {follows}"


def _find_known(session: Session, mail_id: uuid.UUID) -> Mail:
    found = mails.find(session, mail_id)
    if found is None:
        raise bounces.NoReport(f"nothing is known any more of mail {mail_id}")
    return found


def _canonical(address: str) -> str:
    try:
        return EmailAddress.parse(address, smtputf8=True).canonical
    except InvalidAddress as error:
        raise Failure(f"{address!r} is not an email address: {error}") from error


def _find(session: Session, mail_id: uuid.UUID) -> Mail:
    found = mails.find(session, mail_id)
    if found is None:
        raise Failure(f"there is no mail {mail_id}")
    return found


def _readable(shown: dict[str, Any]) -> list[tuple[str, str]]:
    facts = {name: value for name, value in shown.items() if name not in {"errand", "tries"}}
    facts |= shown["errand"] or {}
    return [(name.replace("_", " "), str(value)) for name, value in facts.items() if value]


def _text(value: object) -> str:
    return "not known" if value is None else str(value)


def _summary(row: dict[str, Any]) -> str:
    job = row["errand"]
    parts = [row["meaning"], row["handed_at"], row["last_reply"]]
    if job and row["state"] == MailState.WAITING:
        parts.append(f"attempts: {job['attempts']}, next {job['due_at']}")
    return "  ".join(filter(None, parts))
