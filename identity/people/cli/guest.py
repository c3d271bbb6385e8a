"""`guichet guest`: guests, and when their access ends."""

from datetime import datetime
from typing import Any

import click

from domain_rules.addresses import EmailAddress
from identity.accounts.models import Account
from identity.command.opening import (
    author,
    author_here,
    changing,
    dry_run,
    open_services,
    reason_required,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.people import guests
from identity.people.guests import NotAGuest, WrongEnd

from .reading import end_of_day, read_user_or_address

COLUMNS = ("access_ends_at", "user_id", "address", "sponsor")
DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def guest() -> None:
    """Guests: who they are, and when their access ends.

    Guichet ends what it decides itself: invitations, registration, lookups and sessions here.
    Homeservers do not enforce the end yet: until the life of accounts is part of Guichet, an account
    whose access has ended can still be used there. Lock it on the homeserver if you need that now.
    """


@guest.command("list")
@click.option("--ending-before", type=DAY, metavar="DATE", help="Only those that end before.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_(*, ending_before: datetime | None, limit: int) -> None:
    """List guests with an account, those whose access ends first; addresses masked.

    \b
    JSON: [{"user_id", "address" (masked), "homeserver": text, "sponsor": text or null,
            "since": time, "access_ends_at": time or null, "has_ended": boolean}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        zone, now = services.settings.time_zone, services.now()
        before = ending_before and datetime.combine(ending_before.date(), datetime.min.time(), zone)
        found = guests.find_guests(session, ending_before=before, limit=limit)
    rows = [_described(each, now) for each in found]
    if print_json(rows):
        return
    print_table(COLUMNS, ([row[column] or "" for column in COLUMNS] for row in rows))
    if not rows:
        print_message("No guest.")


@guest.command()
@click.argument("guest", metavar="USER_OR_ADDRESS")
@reason_required
@author
@dry_run
@as_json
def end(guest: str, *, reason: str, author: str, dry_run: bool) -> None:
    """End the access of a guest now.

    Their invitations are revoked, no invitation lets them register or sign up, nobody finds them by
    their address, and their sessions here end. `extend` undoes that, but for the invitations.

    Their account on the homeserver goes on: the life of accounts will end it there, and is not part
    of Guichet yet.

    \b
    JSON: {"user_id": text or null, "invitations", "sessions": number, "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    named, who = read_user_or_address(guest), author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        try:
            done = guests.end(
                session,
                services.hashes,
                services.rules.current(),
                services.now(),
                guest=named,
                who=who,
            )
        except NotAGuest as error:
            raise Failure(str(error), Exit.REFUSED) from error
    name = done.user_id or "This address, which has no account,"
    print_message(
        f"{name} {'would lose' if dry_run else 'has lost'} access: {done.invitations} invitations "
        f"{'would be ' if dry_run else ''}revoked."
    )
    if done.user_id:
        print_message("On its homeserver the account goes on: lock it there if you need that now.")
    facts = {"invitations": done.invitations, "sessions": done.sessions, "dry_run": dry_run}
    print_json({"user_id": done.user_id} | facts)


@guest.command()
@click.argument("guest", metavar="USER_OR_ADDRESS")
@click.option("--until", type=DAY, required=True, metavar="DATE", help="The last day.")
@reason_required
@author
@dry_run
@as_json
def extend(guest: str, *, until: datetime, reason: str, author: str, dry_run: bool) -> None:
    """Let the access of a guest end after DATE, as YYYY-MM-DD; also of one whose access has ended.

    At most two years from now. The account on the homeserver is not touched: the life of accounts,
    which will do that, is not part of Guichet yet.

    \b
    JSON: as one guest of `list`, with "dry_run": boolean
    """  # noqa: D301  \b is click's: keep these lines
    named, who = read_user_or_address(guest), author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        now = services.now()
        try:
            account = guests.extend(
                session,
                services.hashes,
                services.rules.current(),
                now,
                guest=named,
                who=who,
                until=end_of_day(until, services.settings.time_zone),
            )
        except (NotAGuest, WrongEnd) as error:
            raise Failure(str(error), Exit.REFUSED) from error
        shown = _described(account, now)
    print_message(
        f"{account.user_id} {'would have' if dry_run else 'has'} access until the end of "
        f"{until:%Y-%m-%d}."
    )
    print_json(shown | {"dry_run": dry_run})


def _described(account: Account, now: datetime) -> dict[str, Any]:
    ends_at = account.access_ends_at
    return {
        "user_id": account.user_id,
        "address": EmailAddress.stored(account.address).masked,
        "homeserver": account.homeserver,
        "sponsor": account.sponsor,
        "since": account.created_at.isoformat(timespec="seconds"),
        "access_ends_at": ends_at.isoformat(timespec="seconds") if ends_at else None,
        "has_ended": ends_at is not None and ends_at <= now,
    }
