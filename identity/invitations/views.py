"""What is told of an invitation, its address masked: one dictionary for commands, API and console."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.clock import iso_time
from identity.core.outbox import Job, JobKind
from identity.core.personal_data import mask

from . import record
from .models import Delivery, ThirdPartyInvitation
from .record import masked_address

MEANING = {
    Delivery.WAITING: "nobody has bound the address yet",
    Delivery.DUE: "the homeserver of the invited person is to be told",
    Delivery.SENDING: "being told; if it stays so, the end is looked into",
    Delivery.DELIVERED: "the homeserver was told, the invitation is with the person",
    Delivery.SUPERSEDED: "needless: another was delivered, or the person was in the room already",
    Delivery.DEAD: "given up; `guichet invitation deliver` tries again",
}

AWAITING_ROOM = "its mail leaves once the room is seen to have taken it"


def describe(session: Session, row: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """The invitation with the job that delivers it, or that checks its room."""
    return _describe(row, now, outbox.find_by_subject(session, row.id, _kind_of(row)))


def describe_all(
    session: Session, found: Sequence[ThirdPartyInvitation], now: datetime
) -> list[dict[str, Any]]:
    """Each as `describe`, in one query."""
    jobs = outbox.find_by_subjects(session, [row.id for row in found])
    return [_describe(row, now, jobs.get((row.id, _kind_of(row)))) for row in found]


def describe_whole(
    session: Session, row: ThirdPartyInvitation, now: datetime, *, is_masked: bool = False
) -> dict[str, Any]:
    """As `describe`, with its history, its mails, and the account that was created by it.

    `is_masked`: user IDs are masked too, of the inviter, the invited person and the sponsor.
    """
    shown = describe(session, row, now) | record.describe_for_operator(session, row)
    return mask_people(shown) if is_masked else shown


def mask_people(shown: dict[str, Any]) -> dict[str, Any]:
    """The description without user IDs that can be read."""
    named = {
        name: mask(shown[name])
        for name in ("sender", "invitee", "sponsor")
        if shown.get(name) is not None
    }
    history = [
        {**event, "by": mask(event["by"]) if event["by"].startswith("@") else event["by"]}
        for event in shown.get("history", ())
    ]
    return shown | named | ({"history": history} if "history" in shown else {})


def _kind_of(row: ThirdPartyInvitation) -> JobKind:
    return JobKind.ROOM_TOOK if row.awaits else JobKind.ONBIND


def _describe(row: ThirdPartyInvitation, now: datetime, job: Job | None) -> dict[str, Any]:
    waits = job is not None and job.done_at is None and job.gave_up_at is None
    return record.summary_of(row, now) | {
        "address": masked_address(row),
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
