"""What is told of a mail and of pauses of mails: one dictionary for commands, API and console."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import Job, JobKind
from identity.core.personal_data import mask, mask_names

from . import tries
from .models import Mail, MailState
from .pause_models import MailPause
from .tries import MailTry

MEANING = {
    MailState.WAITING: "waits to be handed over",
    MailState.HANDED: "taken by the mail server",
    MailState.REFUSED: "the mail server refused it for good",
    MailState.GAVE_UP: "given up: it could not be handed over in time",
    MailState.DROPPED: "not sent: its reason had ended",
    MailState.WITHHELD: "not sent: too many of this kind to this address",
}
MAYBE_TWICE = "it may have left twice, under one Message-ID: an earlier attempt has no known end"


def describe(session: Session, row: Mail, *, is_masked: bool = False) -> dict[str, Any]:
    """A mail with the job that sends it and each try, as JSON-ready values.

    `is_masked`: without addresses. The tries, oldest first: one without an end is under way, or its
    worker died and nobody knows whether the mail left.
    """
    job = outbox.find_by_subject(session, row.id)
    found = tries.find_by_mails(session, [row.id])
    told = [_describe_try(each, is_masked=is_masked) for each in found]
    return _describe(row, job, is_masked=is_masked) | {"tries": told}


def describe_all(
    session: Session, found: Sequence[Mail], *, is_masked: bool = False
) -> list[dict[str, Any]]:
    """Each as `describe`, without the tries; in one query."""
    jobs = outbox.find_by_subjects(session, [row.id for row in found])
    return [_describe(row, jobs.get((row.id, JobKind.MAIL)), is_masked=is_masked) for row in found]


def describe_pause(row: MailPause) -> dict[str, Any]:
    """A pause as JSON."""
    return {
        "kind": row.kind,
        "domain": row.domain,
        "since": row.since.isoformat(timespec="seconds"),
        "until": row.until.isoformat(timespec="seconds") if row.until else None,
        "by": row.author,
        "reason": row.reason,
    }


def _describe(row: Mail, job: Job | None, *, is_masked: bool) -> dict[str, Any]:
    reply = row.last_reply
    return {
        "id": str(row.id),
        "template": row.template,
        "address": mask(row.address) if is_masked and "@" in row.address else row.address,
        "language": row.language,
        "state": row.state,
        "meaning": _meaning(row, job),
        "created_at": _moment(row.created_at),
        "handed_at": _moment(row.handed_at),
        "outcome": row.outcome,
        "last_reply": mask_names(reply) if is_masked and reply else reply,
        "trace_id": row.trace_id,
        "errand": job
        and {
            "lane": job.lane,
            "attempts": job.attempts,
            "uncertain": job.uncertain,
            "due_at": _moment(job.due_at),
            "gave_up_at": _moment(job.gave_up_at),
            "last_error": job.last_error,
        },
    }


def _describe_try(row: MailTry, *, is_masked: bool) -> dict[str, Any]:
    return {
        "attempt": row.attempt,
        "began_at": _moment(row.began_at),
        "ended_at": _moment(row.ended_at),
        "outcome": row.outcome,
        "reply": mask_names(row.reply) if is_masked and row.reply else row.reply,
    }


def _meaning(row: Mail, job: Job | None) -> str:
    meaning = MEANING[MailState(row.state)]
    if row.state == MailState.HANDED and job is not None and job.uncertain:
        return f"{meaning}; {MAYBE_TWICE}"
    return meaning


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
