"""`/mails`: what became of them, and to try one again or cancel it. Addresses are masked."""

import uuid
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import paging
from identity.mail import cancelling, models, operator_changes, views
from identity.mail.models import Mail, MailState
from identity.mail.quota import Template
from identity.mail_kinds import kind_of
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, NothingToDo
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards, reading


@frame.reads("/mails", Deed.SEE, whole=True)
def list_mails(session: Session) -> dict[str, Any]:
    """The mails, newest first."""
    state, template = parameters.optional("state", "template")
    reading.one_of("state", state, MailState)
    reading.one_of("template", template, Template)
    query = select(Mail)
    if state:
        query = query.where(Mail.state == state)
    if template:
        query = query.where(Mail.template == template)
    keys = [Mail.created_at, Mail.id]
    page = paging.find_page(session, query, keys, **frame.asked_page())
    shown = views.describe_all(session, page.items, is_masked=True)
    return {"items": shown, "next": page.following}


@frame.reads("/mails/<uuid:mail_id>", Deed.SEE, whole=True)
def show_mail(session: Session, mail_id: uuid.UUID) -> dict[str, Any]:
    """One mail, with what the mail server said last."""
    return views.describe(session, _find(session, mail_id), is_masked=True)


@frame.writes("/mails/<uuid:mail_id>/retry", Deed.HANDLE_MAIL, frame.Said, whole=True)
def retry_mail(session: Session, given: frame.Said, mail_id: uuid.UUID) -> Answer:
    """Try again at once to hand over a mail that waits or was given up."""
    mail = _find(session, mail_id)
    if not operator_changes.retry(session, services.now(), guards.actor(given.reason), mail):
        raise NothingToDo(f"There is nothing to try again: {views.MEANING[MailState(mail.state)]}.")
    return frame.done(views.describe(session, mail, is_masked=True))


@frame.writes("/mails/<uuid:mail_id>/cancel", Deed.HANDLE_MAIL, frame.Said, whole=True)
def cancel_mail(session: Session, given: frame.Said, mail_id: uuid.UUID) -> Answer:
    """Cancel a mail that waits."""
    mail, now, who = _find(session, mail_id), services.now(), guards.actor(given.reason)
    if not cancelling.cancel(session, services.hashes, now, [mail], who, kind_of=kind_of):
        raise NothingToDo(f"It waits no more: {views.MEANING[MailState(mail.state)]}.")
    return frame.done(views.describe(session, mail, is_masked=True))


def _find(session: Session, mail_id: uuid.UUID) -> Mail:
    found = models.find(session, mail_id)
    if found is None:
        raise NothingHere
    return found
