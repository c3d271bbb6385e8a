"""`guichet inviter`: block who invites people that do not want it."""

from datetime import datetime
from typing import Any

import click

from domain_rules.user_ids import homeserver_in
from identity.command import moments
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    open_services,
    stop_options,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.core.personal_data import mask
from identity.homeservers import models as homeservers
from identity.invitations import block_models as inviter_blocks, blocks
from identity.operators import notices

MAX_TOLD = 200  # characters of the mail to operators


@click.group()
def inviter() -> None:
    """People who invite by mail: block them, and let them invite again."""


@inviter.command()
@click.argument("user_ids", metavar="USER_ID...", nargs=-1, required=True)
@click.option("--revoke", "revokes", is_flag=True, help="Also revoke their live invitations.")
@moments.until
@stop_options
def block(
    user_ids: tuple[str, ...],
    *,
    revokes: bool,
    until: datetime | None,
    author: str,
    reason: str,
    dry_run: bool,
) -> None:
    """Let these users invite nobody by mail, neither one by one nor by lists.

    Their mails that wait are held, and leave if you `unblock` them. They read why they are refused.

    \b
    JSON: {"blocked": [as `list`, with "open_invitations", "revoked": number],
           "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    shown: list[dict[str, Any]] = []
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        for user_id in dict.fromkeys(user_ids):
            name = homeserver_in(user_id)
            if name is None or homeservers.find(session, name) is None:
                raise Failure(
                    f"{user_id!r} is no user ID of a registered homeserver; nothing was changed",
                    Exit.FAILED,
                )
            done = blocks.block(
                session, now, me, user_id, hashes=services.hashes, until=until, revokes=revokes
            )
            counts = {"open_invitations": done.open_invitations, "revoked": done.revoked}
            shown.append(blocks.describe(done.block) | counts)
        names = ", ".join(mask(each["user_id"]) for each in shown)
        notices.tell_of_stop(session, now, me, f"inviter {names}"[:MAX_TOLD], ends_at=until)
    print_json({"blocked": shown, "dry_run": dry_run})
    for each in shown:
        said = f"{each['open_invitations']} open invitations, {each['revoked']} of them revoked"
        print_message(f"{each['user_id']}: {said}.")
    print_message("Nothing was written." if dry_run else "They are blocked.")


@inviter.command()
@click.argument("user_id", metavar="USER_ID")
@change_options
def unblock(user_id: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Let this user invite again; their held mails leave. Revoked invitations stay revoked.

    JSON: {"user_id": text, "dry_run": boolean}
    """
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        was_blocked = blocks.unblock(session, now, me, user_id, hashes=services.hashes)
    if not was_blocked:
        raise Failure(f"{user_id} is not blocked; nothing was changed. guichet inviter list")
    print_json({"user_id": user_id, "dry_run": dry_run})
    print_message("Nothing was written." if dry_run else f"{user_id} may invite again.")


@inviter.command(name="list")
@as_json
def list_() -> None:
    """List the users who are blocked now, by whom, why and until when.

    \b
    JSON: [{"user_id", "since": text, "until": time or null, "author", "reason": text}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = inviter_blocks.find_in_force(session, services.now())
        rows = [blocks.describe(each) for each in found]
    if print_json(rows):
        return
    columns = ("user_id", "since", "until", "author", "reason")
    print_table(columns, ([row[column] or "" for column in columns] for row in rows))
    if not rows:
        print_message("Nobody is blocked.")
