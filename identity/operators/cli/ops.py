"""`guichet ops`: the operators of the console."""

import uuid
from typing import Any

import click
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
from identity.command.outcomes import Failure
from identity.command.printing import (
    as_json,
    print_facts,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.operators import access_views as views, entering, helping, service as operating
from identity.operators.models import Operator
from identity.services import Services
from identity.translations import LANGUAGES

from .standing import read_standing, standing_options

NOTHING = "Nothing was written."


@click.group()
def ops() -> None:
    """The operators of the console: who they are, and how they come in."""


@ops.command()
@click.argument("mail")
@standing_options
@click.option("--name", help="As the journal names them; by default made of the address.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Of their screens and mails.")
@change_options
def add(
    mail: str,
    *,
    author: str,
    reason: str,
    dry_run: bool,
    name: str | None,
    language: str | None,
    **typed: Any,
) -> None:
    """Make MAIL an operator, and mail them a link that works once, for 72 hours.

    The first admin of a production is made so.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    address = _read(mail)
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now = services.now()
        made = operating.add(
            session,
            now,
            who,
            mail=address.canonical,
            name=name if name is not None else _name_of(address),
            language=language or services.settings.default_locale,
            standing=read_standing(**typed),
        )
        operating.invite(session, now, made)
        told = views.operator_told(session, now, made, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} is invited; the mail leaves.")


@ops.command()
@click.argument("operator")
@change_options
def invite(operator: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Mail OPERATOR a new link that works once, for 72 hours. Earlier ones end.

    For who did not use theirs in time, or is to be joined to the OpenID provider.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now, found = services.now(), entering.find_by_name_or_mail(session, operator)
        helping.invite_again(session, now, who, found.id)
        told = views.operator_told(session, now, found, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} is invited; the mail leaves.")


@ops.command(name="list")
@as_json
def list_() -> None:
    """Show all operators.

    \b
    JSON: [{"id", "name", "mail", "language", "source", "state", "created_by", "changed_by": text,
            "roles", "organisations", "homeservers": [text], "has_factor": boolean,
            "recovery_codes", "sessions": number,
            "created_at", "changed_at", "seen_at", "locked_until": time or null}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = views.operators_told(session, services.now(), masked=False)
    if print_json(found):
        return
    print_table(
        ("name", "address", "roles", "looks after", "state", "app", "last seen"),
        (
            (
                each["name"],
                each["mail"] or "",
                ", ".join(each["roles"]),
                ", ".join(each["organisations"] + each["homeservers"]) or "everything",
                each["state"] + (", locked" if each["locked_until"] else ""),
                "yes" if each["has_factor"] else "no",
                readable_time(each["seen_at"]) if each["seen_at"] else "never",
            )
            for each in found
        ),
    )


@ops.command(name="set")
@click.argument("operator")
@standing_options
@change_options
def set_(operator: str, *, author: str, reason: str, dry_run: bool, **typed: Any) -> None:
    """Give OPERATOR (address or name) these roles and this scope in place of those they have.

    If anything is taken from them, their sessions and tokens end.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now, found = services.now(), entering.find_by_name_or_mail(session, operator)
        operating.change(session, now, who, found.id, read_standing(**typed))
        told = views.operator_told(session, now, found, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} is changed.")


@ops.command()
@click.argument("operator")
@change_options
def disable(operator: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Let OPERATOR in no more: their sessions and tokens end at once.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now, found = services.now(), entering.find_by_name_or_mail(session, operator)
        operating.disable(session, now, who, found.id)
        told = views.operator_told(session, now, found, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} can no longer come in.")


@ops.command()
@click.argument("operator")
@change_options
def enable(operator: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Let OPERATOR in again. They add a new authenticator app.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now, found = services.now(), entering.find_by_name_or_mail(session, operator)
        operating.enable(session, now, who, found.id)
        told = views.operator_told(session, now, found, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} can come in again.")


@ops.command()
@click.argument("operators", nargs=-1, metavar="[OPERATOR]...")
@click.option("--all", "everybody", is_flag=True, help="All who wait.")
@explained_options
def confirm(
    operators: tuple[str, ...], *, author: str, reason: str, dry_run: bool, everybody: bool
) -> None:
    """Let operators in again after a restore: a backup does not know who was disabled since.

    JSON: {"confirmed": [name], "dry_run": boolean}
    """
    if bool(operators) == everybody:
        raise click.UsageError("Name operators, or give --all.")
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        found = operating.find_unconfirmed(session)
        if operators:
            found = [entering.find_by_name_or_mail(session, each) for each in operators]
        names = [operating.confirm(session, services.now(), who, each.id).name for each in found]
    if not print_json({"confirmed": names, "dry_run": dry_run}):
        print_message(NOTHING if dry_run else f"Confirmed: {', '.join(names) or 'nobody'}.")


@ops.command()
@click.argument("operator", required=False, metavar="[OPERATOR]")
@change_options
def link(operator: str | None, *, author: str, reason: str, dry_run: bool) -> None:
    """Print a link that lets an operator in once, within a quarter of an hour.

    It takes the place of the code in a mail, and not of the second factor. All admins are mailed.
    Without a name it is for the one operator of a trial installation.

    JSON: {"link": text, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        token = _link_token(services, session, who, operator)
        url = f"{services.settings.console_origin}{entering.PATH}{token}"
    if not print_json({"link": url, "dry_run": dry_run}):
        click.echo(url)
    if dry_run:
        print_message("Nothing was written: this link lets nobody in.")


@ops.command()
@click.argument("operator")
@explained_options
def unlock(operator: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Let OPERATOR, locked after wrong codes, type the next at once. All admins are mailed.

    JSON: {"was_locked", "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        found = entering.find_by_name_or_mail(session, operator)
        was_locked = helping.unlock(session, services.now(), who, found.id)
        name = found.name
    done = f"{name} can type a code." if was_locked else f"{name} was not locked."
    if not print_json({"was_locked": was_locked, "dry_run": dry_run}):
        print_message(NOTHING if dry_run else done)


@ops.command(name="reset-factor")
@click.argument("operator")
@explained_options
def reset_factor(operator: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Forget app, recovery codes and passkeys of OPERATOR: they add an app at their next sign-in.

    Their sessions end. All admins are mailed.

    JSON: {"operator": as `list`, "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now, found = services.now(), entering.find_by_name_or_mail(session, operator)
        helping.reset_factor(session, now, who, found.id)
        told = views.operator_told(session, now, found, masked=False)
    _print_changed(told, dry_run=dry_run, done=f"{told['name']} will add a new app.")


@ops.command()
@click.argument("operator")
@as_json
def sessions(operator: str) -> None:
    """Show the open sessions of OPERATOR.

    \b
    JSON: [{"id", "device", "network": text, "is_here": false,
            "created_at", "seen_at", "ends_at": time}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = entering.find_by_name_or_mail(session, operator)
        opened = views.sessions_told(session, services.now(), found.id)
    if not print_json(opened):
        print_table(
            ("id", "browser", "network", "opened", "last used", "ends"),
            (
                (
                    *(each["id"], each["device"] or "unknown", each["network"]),
                    *(readable_time(each[name]) for name in ("created_at", "seen_at", "ends_at")),
                )
                for each in opened
            ),
        )


@ops.command(name="end-session")
@click.argument("operator")
@click.argument("session_id", required=False, type=click.UUID, metavar="[SESSION]")
@click.option("--all", "everywhere", is_flag=True, help="All their sessions.")
@change_options
def end_session(
    operator: str,
    session_id: uuid.UUID | None,
    *,
    author: str,
    reason: str,
    dry_run: bool,
    everywhere: bool,
) -> None:
    """End one session of OPERATOR, or all.

    JSON: {"ended": number, "dry_run": boolean}
    """
    if (session_id is None) != everywhere:
        raise click.UsageError("Name a session (guichet ops sessions), or give --all.")
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        found = entering.find_by_name_or_mail(session, operator)
        ended = helping.end_sessions(session, services.now(), who, found.id, only=session_id)
    if not ended and session_id is not None:
        raise Failure("there is no such open session: guichet ops sessions shows them")
    if not print_json({"ended": ended, "dry_run": dry_run}):
        print_message(NOTHING if dry_run else f"{ended} sessions ended.")


def _link_token(services: Services, session: Session, who: Any, operator: str | None) -> str:
    now = services.now()
    settings = services.settings
    if operator is not None:
        found: Operator = entering.find_by_name_or_mail(session, operator)
        if not found.needs_second_factor and not settings.is_local:
            raise Failure("the operator without a second factor comes in on one machine only")
        if found.needs_second_factor and not who.reason:
            raise click.UsageError("All admins are mailed: say why with --reason.")
        return entering.link_for(session, now, who, found)
    if settings.is_embedded and settings.is_local:
        return entering.embedded_link(session, now, who)
    raise Failure("name an operator: guichet ops list shows them")


def _read(mail: str) -> EmailAddress:
    try:
        return EmailAddress.parse(mail)
    except InvalidAddress as error:
        raise Failure(f"not an email address: {error} ({error.reason})") from None


def _name_of(address: EmailAddress) -> str:
    """`camille.durand@…` becomes “Camille Durand”."""
    return " ".join(
        word.capitalize() for word in address.untagged.partition("@")[0].split(".") if word
    )


def _print_changed(told: dict[str, Any], *, dry_run: bool, done: str) -> None:
    if not print_json({"operator": told, "dry_run": dry_run}):
        print_facts(
            (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
            for name, value in told.items()
            if name in {"name", "mail", "roles", "organisations", "homeservers", "state"}
        )
    print_message(NOTHING if dry_run else done)
