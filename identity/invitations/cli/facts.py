"""An invitation as the command line shows it: addresses masked, and how far its delivery has come."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from identity.command.outcomes import Failure
from identity.core import outbox
from identity.core.outbox import JobKind
from identity.invitations import models as third_party_invitations
from identity.invitations import record as invitation_record
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.invitations.record import told_time

MEANING = {
    Delivery.WAITING: "nobody has bound the address yet",
    Delivery.DUE: "the homeserver of the invited person is to be told",
    Delivery.SENDING: "being told; if it stays so, the end is looked into",
    Delivery.DELIVERED: "the homeserver was told, the invitation is with the person",
    Delivery.SUPERSEDED: "needless: another was delivered, or the person was in the room already",
    Delivery.DEAD: "given up; `guichet invitation deliver` tries again",
}

AWAITING = "its mail leaves once the room is seen to have taken it"


def found(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    """Raises Failure."""
    row = third_party_invitations.find(session, invitation_id)
    if row is None:
        raise Failure(f"there is no invitation {invitation_id}")
    return row


def described(session: Session, row: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """With the errand to deliver it, or to see whether its room took it."""
    kind = JobKind.ROOM_TOOK if row.awaits else JobKind.ONBIND
    entry = outbox.of_subject(session, row.id, kind)
    waits = entry is not None and entry.done_at is None and entry.gave_up_at is None
    return invitation_record.summary(row, now) | {
        "address": invitation_record.masked(row),
        "awaits": row.awaits,
        "delivery": row.delivery,
        "meaning": AWAITING if row.awaits else MEANING[Delivery(row.delivery)],
        "invitee": row.invitee,
        "attempted_at": told_time(row.attempted_at),
        "delivered_at": told_time(row.delivered_at),
        "last_error": row.last_error or (entry.last_error if entry else None),
        "due_at": told_time(entry.due_at) if entry and waits else None,
        "attempts": entry.attempts if entry else 0,
    }
