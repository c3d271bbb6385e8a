"""`guichet freeze` and `guichet thaw`: stop harm in one command, and let it go on."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.command import moments
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    open_services,
    stop_options,
)
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.operators import notices

from . import models as freezes, service
from .models import Frozen
from .service import TOGETHER
from .views import describe

JSON = 'JSON: {"freezes": [as `freeze list`], "dry_run": boolean}'


@click.group()
def freeze() -> None:
    """Stop sign-ups, invitations, mails, one domain or the console, on every node, until you `thaw` them.

    Nothing is lost: people read what is stopped and until when, and what waits goes on afterwards.
    """


@click.group()
def thaw() -> None:
    """Let what was frozen go on; what waited leaves in its order."""


def _both(name: str, frozen: Iterable[Frozen], does: str, goes_on: str) -> None:
    what = tuple(frozen)

    @freeze.command(name=name, help=f"{does}\n\n{JSON}")
    @moments.until
    @stop_options
    def begin(**options: Any) -> None:
        _freeze(what, "", **options)

    @thaw.command(name=name, help=f"{goes_on}\n\n{JSON}")
    @change_options
    def end(**options: Any) -> None:
        _thaw(what, "", **options)


_both(
    "sign-ups",
    [Frozen.SIGN_UPS],
    "Make no accounts. People who are confirming an address may finish that; it stays confirmed.",
    "Let people sign up again.",
)
_both(
    "invitations",
    [Frozen.INVITATIONS],
    "Take no invitations by mail, and hold the mails about those that wait.",
    "Take invitations again; held mails about them leave.",
)
_both(
    "mails",
    [Frozen.MAILS],
    "Let no mail leave. Mails wait; a code counts from when its mail leaves.",
    "Let mails leave again, the oldest first; those that have become useless are dropped.",
)
_both(
    "console",
    [Frozen.CONSOLE],
    "Let only admins into the console, and their programs: all others come no further, also who is"
    " signed in.",
    "Let all operators into the console again.",
)
_both(
    "all",
    TOGETHER,
    "Freeze sign-ups, invitations and mails together.",
    "Thaw sign-ups, invitations and mails together. Frozen domains and the console stay frozen.",
)


@freeze.command()
@click.argument("name", metavar="DOMAIN")
@moments.until
@stop_options
def domain(name: str, **options: Any) -> None:
    """Freeze DOMAIN and everything below it: no sign-ups, no invitations, no mails to its addresses.

    JSON: {"freezes": [as `freeze list`], "dry_run": boolean}
    """
    _freeze([Frozen.DOMAIN], _read_domain(name), **options)


@thaw.command(name="domain")
@click.argument("name", metavar="DOMAIN")
@change_options
def thaw_domain(name: str, **options: Any) -> None:
    """Thaw DOMAIN, as it was frozen: a domain below a frozen one stays frozen with it.

    JSON: {"freezes": [as `freeze list`], "dry_run": boolean}
    """
    _thaw([Frozen.DOMAIN], _read_domain(name), **options)


@freeze.command(name="list")
@as_json
def list_() -> None:
    """List what is frozen now, by whom, why and until when.

    \b
    JSON: [{"what", "domain": text or null, "since", "until": time or null, "author", "reason"}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        rows = [describe(each) for each in _in_force(session, services.now())]
    if print_json(rows):
        return
    columns = ("what", "domain", "since", "until", "author", "reason")
    print_table(columns, ([row[column] or "" for column in columns] for row in rows))
    if not rows:
        print_message("Nothing is frozen.")


def _in_force(session: Any, now: datetime) -> Iterable[freezes.Freeze]:
    return freezes.find_in_force(session, now).each


def _freeze(
    what: Iterable[Frozen],
    domain_name: str,
    *,
    until: datetime | None,
    author: str,
    reason: str,
    dry_run: bool,
) -> None:
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        replaced = {
            each.key: describe(each)
            for each in _in_force(session, now)
            if each.what in [str(one) for one in what] and each.domain == domain_name
        }
        begun = [
            describe(service.freeze(session, now, me, each, domain=domain_name, until=until))
            for each in what
        ]
        named = " ".join([*what, domain_name]).rstrip()
        notices.tell_of_stop(session, now, me, named, ends_at=until)
    print_json({"freezes": begun, "dry_run": dry_run})
    for key, each in replaced.items():
        ends = f"until {each['until']}" if each["until"] else "until it is thawed"
        print_message(
            f"{key} was frozen already, {ends}, by {each['author']}: {each['reason']}. "
            "This end and reason take the place of those."
        )
    for each in begun:
        ends = f"until {each['until']}" if each["until"] else "until you thaw it"
        verb = "would be frozen" if dry_run else "is frozen"
        print_message(f"{each['what']} {each['domain'] or ''}".strip() + f" {verb}, {ends}.")
    print_message("Nothing was written." if dry_run else "Every node obeys within 2 seconds.")


def _thaw(
    what: Iterable[Frozen], domain_name: str, *, author: str, reason: str, dry_run: bool
) -> None:
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        ended = [service.thaw(session, now, me, each, domain=domain_name) for each in what]
        left = [describe(each) for each in _in_force(session, now)]
    if not any(ended):
        subject = domain_name or ", ".join(what)
        raise Failure(f"{subject}: not frozen; nothing was changed. guichet freeze list")
    print_json({"freezes": left, "dry_run": dry_run})
    for each in left:
        print_message(f"Still frozen: {each['what']} {each['domain'] or ''}".rstrip())
    print_message("Nothing was written." if dry_run else "Thawed.")


def _read_domain(typed: str) -> str:
    try:
        return parse_domain(typed)
    except InvalidAddress as error:
        raise Failure(f"{typed!r} is no domain: {error}") from error
