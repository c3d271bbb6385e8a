"""Mails that waited when a loaded backup was made: no relay can be asked what it has taken."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from identity.core import outbox, rows
from identity.core.outbox import WAITING, Job, JobKind

from .models import Mail, MailState
from .outcomes import Outcome

PERHAPS_SENT: Final = "a backup was loaded: it may have been sent before"
AT_ONCE: Final = 1000  # ids of one statement
IS_ENDED: Final = (Mail.state == MailState.GAVE_UP) & (Mail.last_reply == PERHAPS_SENT)


def is_waiting() -> ColumnElement[bool]:
    """SQL condition: a mail waits, also one that is due only later.

    Many mails leave before their time when another one is dropped.
    """
    waiting = select(Job.subject_id).where(Job.kind == JobKind.MAIL, WAITING)
    return (Mail.state == MailState.WAITING) & Mail.id.in_(waiting)


def end_mails(
    session: Session, now: datetime, before: datetime | None, *, also: Sequence[UUID] = ()
) -> int:
    """End the waiting mails that were ordered by then as uncertain. Returns how many.

    `before`: None if these stay. `also`: mails to end whenever they were ordered.
    """
    which = [] if before is None else [Mail.created_at <= before]
    which += [Mail.id.in_(also[start : start + AT_ONCE]) for start in range(0, len(also), AT_ONCE)]
    ended = {"state": MailState.GAVE_UP, "outcome": Outcome.UNKNOWN, "last_reply": PERHAPS_SENT}
    count = sum(
        rows.update(session, Mail, is_waiting(), each, **ended, ended_at=now) for each in which
    )
    mails = select(Mail.id).where(IS_ENDED)
    outbox.end(session, now, PERHAPS_SENT, Job.kind == JobKind.MAIL, Job.subject_id.in_(mails))
    return count


def count_ended(session: Session) -> int:
    """How many mails `end_mails` has ended: to try them again would send some twice."""
    return rows.count(session, IS_ENDED)
