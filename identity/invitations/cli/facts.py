"""An invitation as the command line shows it: with a masked address and its delivery."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from identity.command.outcomes import Failure
from identity.core import outbox
from identity.core.outbox import JobKind
from identity.invitations import models as third_party_invitations, record as invitation_record
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.invitations.record import iso_time

MEANING = {
    Delivery.WAITING: "nobody has bound the address yet",
    Delivery.DUE: "the homeserver of the invited person is to be told",
    Delivery.SENDING: "being told; if it stays so, the end is looked into",
    Delivery.DELIVERED: "the homeserver was told, the invitation is with the person",
    Delivery.SUPERSEDED: "needless: another was delivered, or the person was in the room already",
    Delivery.DEAD: "given up; `guichet invitation deliver` tries again",
}

AWAITING_ROOM = "its mail leaves once the room is seen to have taken it"


def find_or_fail(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    """Raises Failure if there is none."""
    row = third_party_invitations.find(session, invitation_id)
    if row is None:
        raise Failure(f"there is no invitation {invitation_id}")
    return row


def describe(session: Session, row: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """The invitation with the job that delivers it, or that checks its room."""
    kind = JobKind.ROOM_TOOK if row.awaits else JobKind.ONBIND
    job = outbox.find_by_subject(session, row.id, kind)
    waits = job is not None and job.done_at is None and job.gave_up_at is None
    return invitation_record.summary_of(row, now) | {
        "address": invitation_record.masked_address(row),
        "awaits": row.awaits,
        "delivery": row.delivery,
        "meaning": AWAITING_ROOM if row.awaits else MEANING[Delivery(row.delivery)],
        "invitee": row.invitee,
        "attempted_at": iso_time(row.attempted_at),
        "delivered_at": iso_time(row.delivered_at),
        "last_error": row.last_error or (job.last_error if job else None),
        "due_at": iso_time(job.due_at) if job and waits else None,
        "attempts": job.attempts if job else 0,
    }
