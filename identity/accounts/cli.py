"""`guichet session`: show the sessions of a user, and end them."""

import uuid
from typing import Any

import click

from identity.command.opening import author_here, change_options, changing, open_services
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.threepids import account_models as identity_accounts

from . import operator_changes, session_models, sessions


@click.group()
def session() -> None:
    """Where people are signed in here."""


@session.command("list")
@click.argument("user_id", metavar="USER")
@as_json
def show(user_id: str) -> None:
    """Show where USER, a Matrix user ID, is signed in.

    JSON: {"user_id": text, "identity_tokens": number of their Matrix clients' tokens,
    "sessions": [{"id", "purpose", "address", "device": text, "created_at", "last_used_at": time}]}
    """
    with open_services() as services, services.database.reading() as database:
        now = services.now()
        tokens = identity_accounts.count_tokens(database, user_id, now)
        live = sessions.live_sessions_of(database, services.rules.current(), now, user_id)
    shown = [_described(each) for each in live]
    if print_json({"user_id": user_id, "identity_tokens": tokens, "sessions": shown}):
        return
    print_table(
        ("id", "for", "address", "browser", "since", "last used"),
        ([str(value) for value in each.values()] for each in shown),
    )
    print_message(f"{tokens} tokens of Matrix clients.")


@session.command()
@click.argument("user_id", metavar="USER")
@click.option("--id", "session_id", type=click.UUID, help="Only this session; without it, all.")
@change_options
def end(
    user_id: str, *, session_id: uuid.UUID | None, author: str, reason: str, dry_run: bool
) -> None:
    """End the sessions of USER, and the tokens of their Matrix clients.

    A client signs in again by itself as long as the homeserver vouches for the account.

    JSON: {"user_id": text, "ended_sessions": number, "ended_tokens": number, "dry_run": boolean}
    """
    with changing(dry_run=dry_run) as (services, database):
        me = author_here(author=author, reason=reason)
        ended = operator_changes.end_sessions(
            database, services.now(), me, user_id, session_id, hashes=services.hashes
        )
    if ended.is_nothing and session_id is not None:
        raise Failure(f"{user_id} has no session {session_id}, or it has ended")
    if ended.is_nothing:
        raise Failure(f"{user_id} is signed in nowhere here; nothing was ended. Is it spelled so?")
    print_message(
        f"{ended.sessions} sessions and {ended.tokens} tokens "
        f"{'would end' if dry_run else 'have ended'}."
    )
    facts = {
        "user_id": user_id,
        "ended_sessions": ended.sessions,
        "ended_tokens": ended.tokens,
    }
    print_json(facts | {"dry_run": dry_run})


def _described(each: session_models.PersonSession) -> dict[str, Any]:
    fields = ("id", "purpose", "address", "device", "created_at", "last_used_at")
    return {field: getattr(each, field) for field in fields}
