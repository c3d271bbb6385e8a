"""`guichet invitation resend`, `revoke` and `extend`: changes an operator can make."""

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command.opening import author_here, change_options, changing
from identity.command.outcomes import Exit, Failure
from identity.command.printing import print_json, print_message
from identity.core.clock import iso_time
from identity.core.journal import Actor
from identity.invitations import (
    operator_changes,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.views import AWAITING_ROOM, describe

from .finding import find_or_fail

OVER = {
    State.ACCEPTED: "the invited person has an account already",
    State.DELIVERED: "it was delivered; who is in a room is the room's affair",
    State.JOINED: "the invited person has joined",
    State.DECLINED: "the invited person declined",
    State.REVOKED: "it was revoked",
    State.EXPIRED: "it has expired",
}
DRY_RUN = "It can be done. Nothing was written."
Change = Callable[[Session, datetime, Actor, ThirdPartyInvitation], bool]


@click.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@change_options
def resend(invitation_id: uuid.UUID, *, author: str, reason: str, dry_run: bool) -> None:
    """Send the mail of an invitation once more, at most once an hour.

    JSON, as of `revoke` and `extend`: the invitation, as `show` without history and mails.
    """
    me = author_here(author=author, reason=reason)
    resent = operator_changes.resend
    shown = _change(invitation_id, me, resent, "nothing to send", dry_run=dry_run)
    print_message(DRY_RUN if dry_run else "The mail is sent again.")
    print_json(shown)


@click.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@change_options
def revoke(invitation_id: uuid.UUID, *, author: str, reason: str, dry_run: bool) -> None:
    """Revoke an invitation: nobody can register with it any more.

    If our module runs in the inviter's homeserver, it is also removed from the room.
    """
    me = author_here(author=author, reason=reason)
    revoked = operator_changes.revoke
    shown = _change(invitation_id, me, revoked, "nothing to revoke", dry_run=dry_run)
    print_message(DRY_RUN if dry_run else "It is revoked.")
    print_json(shown)


@click.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 365))
@change_options
def extend(invitation_id: uuid.UUID, *, days: int, author: str, reason: str, dry_run: bool) -> None:
    """Extend an invitation: it ends so many days from now. One that has expired is open again."""
    me = author_here(author=author, reason=reason)
    extended = partial(operator_changes.extend, days=days)
    shown = _change(invitation_id, me, extended, "it cannot be extended", dry_run=dry_run)
    print_message(f"It {'would stand' if dry_run else 'stands'} until {shown['expires_at']}.")
    print_json(shown)


def _change(
    invitation_id: uuid.UUID, who: Actor, change: Change, otherwise: str, *, dry_run: bool
) -> dict[str, Any]:
    """Raises Failure, with the exit code for a refusal if only time forbids it."""
    with changing(dry_run=dry_run) as (services, session):
        now, row = services.now(), find_or_fail(session, invitation_id)
        if not change(session, now, who, row):
            raise _refusal(session, now, row, otherwise)
        return describe(session, row, now)


def _refusal(session: Session, now: datetime, row: ThirdPartyInvitation, otherwise: str) -> Failure:
    state = invitation_states.state_of(row, now)
    if state in OVER:
        return Failure(f"{row.id}: {otherwise}, {OVER[state]}")
    if row.awaits:
        return Failure(f"{row.id}: {AWAITING_ROOM}", Exit.REFUSED)
    again = iso_time(invitations.resend_allowed_at(session, now, row))
    return Failure(f"{row.id}: a mail was sent not long ago, again from {again}", Exit.REFUSED)
