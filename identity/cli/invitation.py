"""`guichet invitation`: invitations to addresses nobody was known to have, and what became of them."""

import uuid
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.storage import outbox, third_party_invitations
from identity.storage.third_party_invitations import Delivery, ThirdPartyInvitation
from identity.use_cases import binding

from .endings import Failure
from .opening import dry_run, opened
from .printing import as_json, print_facts, print_json, print_table, talk

MEANING = {
    Delivery.WAITING: "nobody has bound the address yet",
    Delivery.DUE: "the homeserver of the invited person is to be told",
    Delivery.SENDING: "being told; if it stays so, the end is looked into",
    Delivery.DELIVERED: "the homeserver was told, the invitation is with the person",
    Delivery.SUPERSEDED: "another invitation to the same room was delivered",
    Delivery.DEAD: "given up; `guichet invitation deliver` tries again",
}
COLUMNS = ("created_at", "delivery", "address", "room_id", "id")


@click.group()
def invitation() -> None:
    """Invitations by address, and their delivery to homeservers."""


@invitation.command(name="list")
@click.option("--delivery", type=click.Choice([str(delivery) for delivery in Delivery]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def list_(*, delivery: str | None, limit: int, json_wanted: bool) -> None:
    """List the newest invitations, addresses masked; `--delivery dead` shows what needs you.

    JSON: {"counts": {delivery: number}, "invitations": [as `show`]}
    """
    with opened() as wired, wired.database.reading() as session:
        wanted = Delivery(delivery) if delivery else None
        found = third_party_invitations.recent(session, delivery=wanted, limit=limit)
        rows = [described(session, each) for each in found]
        counts = third_party_invitations.counts(session)
    if json_wanted:
        print_json({"counts": counts, "invitations": rows})
        return
    print_table(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
    talk(", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "No invitation yet.")


@invitation.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@as_json
def show(invitation_id: uuid.UUID, *, json_wanted: bool) -> None:
    """Show one invitation and how far its delivery has come.

    \b
    JSON: {"id", "address" (masked), "room_id", "sender", "delivery", "meaning", "created_at",
           "expires_at": text, "invitee", "attempted_at", "delivered_at", "last_error", "due_at": text or null,
           "attempts": number}
    """  # noqa: D301  \b is click's: keep these lines
    with opened() as wired, wired.database.reading() as session:
        shown = described(session, _find(session, invitation_id))
    if json_wanted:
        print_json(shown)
    else:
        print_facts((name.replace("_", " "), str(v)) for name, v in shown.items() if v)


@invitation.command()
@click.argument("invitation_id", metavar="ID", type=click.UUID)
@dry_run
def deliver(invitation_id: uuid.UUID, *, dry_run: bool) -> None:
    """Tell the homeserver again at once, after an invitation was given up or while it is to be told.

    An end that nobody saw stays uncertain: somebody who has joined since may be asked to join again.
    """
    with opened() as wired, wired.database.transaction() as session:
        found = _find(session, invitation_id)
        again = binding.deliver_again(session, wired.now(), found)
        if dry_run:
            session.rollback()
    if not again:
        raise Failure(f"{invitation_id}: nothing to deliver, {MEANING[Delivery(found.delivery)]}")
    talk("It would be told again. Nothing was written." if dry_run else "It is told again now.")


def _find(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    found = third_party_invitations.find(session, invitation_id)
    if found is None:
        raise Failure(f"there is no invitation {invitation_id}")
    return found


def described(session: Session, row: ThirdPartyInvitation) -> dict[str, Any]:
    """An invitation, with the errand to deliver it."""
    entry = outbox.of_subject(session, row.id)
    waits = entry is not None and entry.done_at is None and entry.gave_up_at is None
    return {
        "id": str(row.id),
        "address": EmailAddress.parse(row.address, smtputf8=True).masked,
        "room_id": row.room_id,
        "sender": row.sender,
        "delivery": row.delivery,
        "meaning": MEANING[Delivery(row.delivery)],
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "invitee": row.invitee,
        "attempted_at": _time(row.attempted_at),
        "delivered_at": _time(row.delivered_at),
        "last_error": row.last_error or (entry.last_error if entry else None),
        "due_at": _time(entry.due_at) if entry and waits else None,
        "attempts": entry.attempts if entry else 0,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
