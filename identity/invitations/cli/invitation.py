"""`guichet invitation`: invitations by address, how far their mails and deliveries have come."""

import uuid
from typing import Any

import click

from domain_rules.addresses import canonical_or_typed
from identity.command.opening import author_here, change_options, changing, open_services
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_facts, print_json, print_message, print_table
from identity.invitations import (
    models as third_party_invitations,
    operator_changes,
    search as invitation_search,
)
from identity.invitations.models import Delivery, State
from identity.invitations.search import InvitationFilter
from identity.invitations.views import MEANING, describe, describe_all, describe_whole

from .changes import extend, resend, revoke
from .finding import find_or_fail

COLUMNS = ("created_at", "state", "delivery", "address", "room_id", "id")


@click.group()
def invitation() -> None:
    """Invitations by address: what became of them, and what can still be done."""


@invitation.command(name="list")
@click.option("--state", type=click.Choice([str(state) for state in State]))
@click.option("--delivery", type=click.Choice([str(delivery) for delivery in Delivery]))
@click.option("--sender", metavar="USER", help="Who invited, as @name:homeserver.")
@click.option("--room", "room_id", metavar="ROOM", help="The ID of a room.")
@click.option("--address", help="Who was invited.")
@click.option("--held", is_flag=True, help="Only those whose mail is held until the room has them.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_(
    *,
    state: str | None,
    delivery: str | None,
    sender: str | None,
    room_id: str | None,
    address: str | None,
    held: bool,
    limit: int,
) -> None:
    """List the newest invitations, addresses masked; `--delivery dead` shows what needs you.

    \b
    JSON: {"counts": {delivery: number}, "states": {state: number}, "invitations": [as `show`,
           without "history", "mails" and what follows the account]}
    "states" counts the invitations that were asked for, "counts" the deliveries of all.
    """  # noqa: D301  \b is click's: keep these lines
    wanted = InvitationFilter(
        state=State(state) if state else None,
        delivery=Delivery(delivery) if delivery else None,
        sender=sender,
        room_id=room_id,
        address=canonical_or_typed(address) if address else None,
        is_held=held,
    )
    with open_services() as services, services.database.reading() as session:
        now = services.now()
        page = invitation_search.find(session, now, wanted, limit=limit)
        rows = describe_all(session, page, now)
        states = invitation_search.count_by_state(session, now, wanted)
        counts = third_party_invitations.count_by_delivery(session)
    if print_json({"counts": counts, "states": states, "invitations": rows}):
        return
    print_table(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
    print_message(
        ", ".join(f"{n} {name}" for name, n in sorted(states.items())) or "No invitation yet."
    )


@invitation.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@as_json
def show(invitation_id: uuid.UUID) -> None:
    """Show one invitation: its history, its mails, how far its delivery has come, and the guest's sponsor.

    \b
    JSON: {"id", "address" (masked; a hash some time after the end), "room_id", "sender", "state",
           "delivery", "meaning", "created_at", "asked_at", "expires_at", "language": text,
           "for_guest": boolean, "ended_at", "reminded_at", "invitee", "attempted_at", "delivered_at",
           "last_error", "due_at", "sponsor", "access_ends_at": text or null, "attempts": number,
           "awaits": "report", "grace" or null (the room took it),
           "history": [{"at", "happened", "by": text, "detail": text or null}],
           "mails": [{"template", "state", "created_at": text, "handed_at", "outcome": text or null}]}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        row, now = find_or_fail(session, invitation_id), services.now()
        shown = describe_whole(session, row, now)
    if not print_json(shown):
        print_facts(_readable(shown))


@invitation.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@change_options
def deliver(invitation_id: uuid.UUID, *, author: str, reason: str, dry_run: bool) -> None:
    """Tell the homeserver again at once, after an invitation was given up or while it is to be told.

    If it is not known whether an earlier delivery arrived, somebody who has joined may be invited
    again.

    JSON: the invitation, as `show` without history and mails.
    """
    with changing(dry_run=dry_run) as (services, session):
        row, now = find_or_fail(session, invitation_id), services.now()
        me = author_here(author=author, reason=reason)
        again = operator_changes.deliver(session, now, me, row)
        shown = describe(session, row, now)
    if not again:
        raise Failure(f"{invitation_id}: nothing to deliver, {MEANING[Delivery(row.delivery)]}")
    print_json(shown)
    print_message(
        "It would be told again. Nothing was written." if dry_run else "It is told again now."
    )


for command in (resend, revoke, extend):
    invitation.add_command(command)


def _readable(shown: dict[str, Any]) -> list[tuple[str, str]]:
    lists = ("history", "mails")
    facts = [
        (name.replace("_", " "), str(v)) for name, v in shown.items() if v and name not in lists
    ]
    for event in shown["history"]:
        detail = f": {event['detail']}" if event["detail"] else ""
        facts.append((event["at"], f"{event['happened']}, by {event['by']}{detail}"))
    for mail in shown["mails"]:
        outcome = f" ({mail['outcome']})" if mail["outcome"] else ""
        facts.append(("mail", f"{mail['created_at']} {mail['template']} {mail['state']}{outcome}"))
    return facts
