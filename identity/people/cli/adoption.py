"""`guichet person adopt`: an account of a homeserver is taken into the books."""

import difflib

import click

from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import is_of_homeserver
from identity.command.opening import (
    author,
    author_here,
    build_services_with_secrets,
    dry_run,
    open_services,
    reason_required,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message
from identity.core.http_client import Away
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Connector, ExistingAccount, Refused
from identity.homeservers.models import Homeserver
from identity.people import adoption
from identity.people.adoption import Contradiction, FoundAccount
from identity.problems import UnknownHomeserver, WrongServer
from identity.services import Services, WorkerServices

from .reading import read_address


@click.command()
@click.argument("address")
@click.option("--homeserver", "name", metavar="NAME", required=True, help="Where the account is.")
@click.option(
    "--user-id",
    metavar="USER",
    help="Whose account it is, if the homeserver's list of addresses does not tell.",
)
@reason_required
@author
@dry_run
@as_json
def adopt(
    address: str, *, name: str, user_id: str | None, reason: str, author: str, dry_run: bool
) -> None:
    """Take the account that has ADDRESS on a homeserver into Guichet's books.

    For accounts that Guichet never heard of: made before it, or lost with a backup. The homeserver
    is asked by its administration API, and not changed. The rules say whether the account is an
    agent's or a guest's. Whatever contradicts the books is refused (exit code 3).

    Run this where GUICHET_HOMESERVER_KEYS can be read, as the user of the worker.

    \b
    JSON: {"address", "user_id", "class": text, "is_new", "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    typed, who = read_address(address), author_here(author=author, reason=reason)
    with open_services(build_services_with_secrets) as services:
        found = _found(services, typed, name, user_id)
        with services.database.transaction() as session:
            try:
                done = adoption.adopt(
                    session,
                    services.hashes,
                    services.rules.current(),
                    services.now(),
                    address=typed,
                    found=found,
                    who=who,
                )
            except Contradiction as error:
                raise Failure(str(error), Exit.REFUSED) from error
            except WrongServer as error:
                raise Failure(
                    f"the rules do not give it to {name}: {error}", Exit.REFUSED
                ) from error
            if dry_run:
                session.rollback()
    told = f"{done.user_id}, {done.account_class}"
    if not done.is_new:
        print_message(f"{told}: it is in the books already.")
    else:
        print_message(
            f"{told}: it would be adopted. Nothing was written."
            if dry_run
            else f"{told}: it is in the books now."
        )
    facts = {"address": typed.canonical, "user_id": done.user_id, "class": done.account_class}
    print_json(facts | {"is_new": done.is_new, "dry_run": dry_run})


def _found(
    services: Services, address: EmailAddress, name: str, user_id: str | None
) -> FoundAccount:
    """The account as its homeserver describes it. Raises Failure."""
    with services.database.reading() as session:
        homeserver = homeservers.find(session, name)
        known = [each.name for each in homeservers.find_all(session)]
    if homeserver is None:
        raise UnknownHomeserver(name, difflib.get_close_matches(name, known))
    if user_id is not None and not is_of_homeserver(user_id, name):
        raise Failure(f"{user_id} is no user of {name}", Exit.USAGE)
    connector = _connector(services, homeserver)
    try:
        holder = user_id or connector.holder_of(address.canonical)
        found = connector.describe(holder) if holder else None
    except Away as away:
        raise Failure(f"{name} does not answer: {away}", Exit.UNREACHABLE) from away
    except Refused as refused:
        raise Failure(f"{name} refuses: {refused}") from refused
    return _checked(found, address, name, user_id, services.settings.default_locale)


def _connector(services: Services, homeserver: Homeserver) -> Connector:
    if not isinstance(services, WorkerServices):
        raise Failure(
            "only who has GUICHET_HOMESERVER_KEYS may ask a homeserver: run this as the worker's user"
        )
    connector = services.connector_for(homeserver)
    if connector is None:
        raise Failure(
            f"{homeserver.name} was registered without --connector synapse: Guichet cannot ask it"
        )
    return connector


def _checked(
    found: ExistingAccount | None,
    address: EmailAddress,
    name: str,
    user_id: str | None,
    language: str,
) -> FoundAccount:
    if found is None:
        missing = f"there is no account {user_id}" if user_id else "no account has this address"
        raise Failure(f"{missing} on {name}")
    if not is_of_homeserver(found.user_id, name):
        raise Failure(f"{name} names a user of another homeserver", Exit.REFUSED)
    if found.is_deactivated:
        raise Failure(f"{found.user_id} is deactivated on {name}", Exit.REFUSED)
    if address.canonical not in found.addresses:
        raise Failure(
            f"{found.user_id} does not have this address on {name}; add it there first",
            Exit.REFUSED,
        )
    return FoundAccount(found.user_id, found.display_name, language)
