"""`guichet homeserver hold`, `suspend`, `retire`, how each is undone, and `remove`."""

from datetime import datetime

import click

from identity.command import moments
from identity.command.opening import author_here, change_options, changing, stop_options
from identity.command.outcomes import Exit, Failure
from identity.command.printing import print_json, print_message
from identity.homeservers import changing as homeserver_changes
from identity.homeservers.service import rules_naming
from identity.homeservers.views import describe
from identity.maintenance import homeserver_removal
from identity.maintenance.homeserver_removal import StillNeeded
from identity.operators import notices

NOTHING_WRITTEN = "Nothing was written."


@click.command()
@click.argument("name")
@moments.until
@stop_options
def hold(name: str, *, until: datetime | None, author: str, reason: str, dry_run: bool) -> None:
    """Send nothing to the homeserver NAME until you `release` it.

    Deliveries of invitations, room actions and new accounts wait in the outbox, and are not given
    up because of that. People who want an account there read that it is paused, and get a mail
    when it goes on.

    JSON, as of the other commands that follow: {"homeserver": as `show`, "dry_run": boolean}
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        row = homeserver_changes.hold(session, now, me, name, until=until)
        notices.tell_of_stop(session, now, me, name, ends_at=until)
        shown = describe(row, now)
    _tell(shown, "Nothing is sent there now.", dry_run=dry_run)


@click.command()
@click.argument("name")
@change_options
def release(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """End the hold of the homeserver NAME: what waited for it goes on.

    JSON: as `hold`, with "released_jobs": number
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        jobs = homeserver_changes.release(session, now, me, name)
        shown = describe(homeserver_changes.find(session, name), now)
    _tell(shown, f"{jobs} jobs go on.", dry_run=dry_run, released_jobs=jobs)


@click.command()
@click.argument("name")
@stop_options
def suspend(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Refuse the credential and the people of the homeserver NAME until you `resume` it.

    Use it if a homeserver may be in the wrong hands. Its module, its people's clients and their
    sign-ins get 403 with a reason, nobody signs up there, and nothing is sent there, as with
    `hold`. Mails about invitations by its people that have not left yet wait, too.
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        shown = describe(homeserver_changes.suspend(session, now, me, name), now)
        notices.tell_of_stop(session, now, me, name, ends_at=None)
    _tell(shown, "It and its people are refused now.", dry_run=dry_run)


@click.command()
@click.argument("name")
@change_options
def resume(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """End the suspension of the homeserver NAME. Its credential is the same as before.

    JSON: as `hold`, with "released_jobs": number
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        jobs = homeserver_changes.resume(session, now, me, name)
        shown = describe(homeserver_changes.find(session, name), now)
    _tell(shown, f"{jobs} jobs go on.", dry_run=dry_run, released_jobs=jobs)


@click.command()
@click.argument("name")
@change_options
def retire(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Make no new accounts on the homeserver NAME; those who have one go on.

    The rules that still lead there are named: their addresses cannot sign up until you change
    them. `reinstate` undoes it.

    JSON: as `hold`, with "rules": [patterns that lead there]
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        shown = describe(homeserver_changes.retire(session, now, me, name), now)
        patterns = rules_naming(session, name)
    for pattern in patterns:
        print_message(f"A rule still leads there: {pattern}")
    _tell(shown, "No new accounts are made there now.", dry_run=dry_run, rules=patterns)


@click.command()
@click.argument("name")
@change_options
def reinstate(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Let accounts be made again on the homeserver NAME, which was retired."""
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        shown = describe(homeserver_changes.reinstate(session, now, me, name), now)
    _tell(shown, "Accounts are made there again.", dry_run=dry_run)


@click.command()
@click.argument("name")
@change_options
def remove(name: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Delete the homeserver NAME and its credentials, if nothing depends on it.

    It is refused, with exit code 3, while a rule, an account, an address, an invitation, a list or
    a job depends on it; each is named.

    JSON: {"homeserver": as `show`, "needed_by": [text], "dry_run": boolean}
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        shown = describe(homeserver_changes.find(session, name), now)
        try:
            homeserver_removal.remove(session, now, me, name)
        except StillNeeded as needed:
            print_json({"homeserver": shown, "needed_by": needed.needed_by, "dry_run": dry_run})
            raise Failure(str(needed), Exit.REFUSED) from None
    print_json({"homeserver": shown, "needed_by": [], "dry_run": dry_run})
    print_message(f"{name} would be removed. {NOTHING_WRITTEN}" if dry_run else "It is removed.")


STANDING = (hold, release, suspend, resume, retire, reinstate, remove)


def _tell(shown: dict[str, object], done: str, *, dry_run: bool, **facts: object) -> None:
    print_json({"homeserver": shown, **facts, "dry_run": dry_run})
    print_message(f"{shown['name']}: {shown['state']}. {NOTHING_WRITTEN if dry_run else done}")
