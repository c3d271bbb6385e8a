"""Mails that waited when a loaded backup was made: no relay can be asked what it has taken."""

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from identity.core import outbox, rows
from identity.core.outbox import WAITING, Job, JobKind

from .models import Mail, MailState
from .outcomes import Outcome

PERHAPS_SENT: Final = "a backup was loaded: it may have been sent before"
IS_ENDED: Final = (Mail.state == MailState.GAVE_UP) & (Mail.last_reply == PERHAPS_SENT)


def waited(before: datetime) -> ColumnElement[bool]:
    """SQL condition: ordered by then, and waiting.

    Also what is due only later: many mails leave before their time when another one is dropped.
    """
    waiting = select(Job.subject_id).where(Job.kind == JobKind.MAIL, WAITING)
    return (Mail.state == MailState.WAITING) & (Mail.created_at <= before) & Mail.id.in_(waiting)


def end_mails(session: Session, now: datetime, before: datetime) -> int:
    """End these mails as uncertain. Returns how many."""
    ended = {"state": MailState.GAVE_UP, "outcome": Outcome.UNKNOWN, "last_reply": PERHAPS_SENT}
    count = rows.update(session, Mail, waited(before), **ended, ended_at=now)
    mails = select(Mail.id).where(IS_ENDED)
    outbox.end(session, now, PERHAPS_SENT, Job.kind == JobKind.MAIL, Job.subject_id.in_(mails))
    return count


def count_ended(session: Session) -> int:
    """How many mails `end_mails` has ended: to try them again would send some twice."""
    return rows.count(session, IS_ENDED)
