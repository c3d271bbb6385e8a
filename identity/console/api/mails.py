"""`/mails`: what became of them, and to try one again or cancel it. Addresses are masked."""

import uuid
from typing import Any

from sqlalchemy.orm import Session

from identity.console import scoping
from identity.mail import cancelling, operator_changes, search, views
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import Outcome
from identity.mail.quota import Template
from identity.mail.search import MailFilter
from identity.mail_kinds import kind_of
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, NothingToDo
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards, reading

FILTERS = ("state", "template", "outcome", "domain")


@frame.reads("/mails", Deed.SEE, *FILTERS, *frame.PAGED)
def list_mails(session: Session) -> dict[str, Any]:
    """The mails to addresses in the token's scope, newest first."""
    state, template, outcome, domain = parameters.optional(*FILTERS)
    reading.one_of("state", state, MailState)
    reading.one_of("template", template, Template)
    reading.one_of("outcome", outcome, Outcome)
    wanted = MailFilter(
        state=MailState(state) if state else None,
        template=Template(template) if template else None,
        outcome=outcome or None,
        domain=reading.domain("domain", domain) if domain else None,
    )
    within = scoping.mails_within(session, guards.program().scope)
    page = search.find(session, wanted, within=within, **frame.asked_page())
    shown = views.describe_all(session, page.items, is_masked=True)
    return {"items": shown, "next": page.following}


@frame.reads("/mails/<uuid:mail_id>", Deed.SEE)
def show_mail(session: Session, mail_id: uuid.UUID) -> dict[str, Any]:
    """One mail, with what the mail server said last."""
    return views.describe(session, _find(session, mail_id), is_masked=True)


@frame.writes("/mails/<uuid:mail_id>/retry", Deed.HANDLE_MAIL, frame.Said)
def retry_mail(session: Session, given: frame.Said, mail_id: uuid.UUID) -> Answer:
    """Try again at once to hand over a mail that waits or was given up."""
    mail = _find(session, mail_id)
    if not operator_changes.retry(session, services.now(), guards.actor(given.reason), mail):
        raise NothingToDo(f"There is nothing to try again: {views.MEANING[MailState(mail.state)]}.")
    return frame.done(views.describe(session, mail, is_masked=True))


@frame.writes("/mails/<uuid:mail_id>/cancel", Deed.HANDLE_MAIL, frame.Said)
def cancel_mail(session: Session, given: frame.Said, mail_id: uuid.UUID) -> Answer:
    """Cancel a mail that waits."""
    mail, now, who = _find(session, mail_id), services.now(), guards.actor(given.reason)
    if not cancelling.cancel(session, services.hashes, now, [mail], who, kind_of=kind_of):
        raise NothingToDo(f"It waits no more: {views.MEANING[MailState(mail.state)]}.")
    return frame.done(views.describe(session, mail, is_masked=True))


@frame.writes("/mails/<uuid:mail_id>/allow", Deed.HANDLE_MAIL, frame.Said)
def allow_mail(session: Session, given: frame.Said, mail_id: uuid.UUID) -> Answer:
    """Write to its address again, though its server said that there is no such mailbox."""
    mail, now, who = _find(session, mail_id), services.now(), guards.actor(given.reason)
    if not operator_changes.allow(session, now, who, services.hashes, mail.address):
        raise NothingToDo("Mails to this address are not suppressed.")
    return frame.done(views.describe(session, mail, is_masked=True))


def _find(session: Session, mail_id: uuid.UUID) -> Mail:
    within = scoping.mails_within(session, guards.program().scope)
    found = search.find_within(session, mail_id, within)
    if found is None:
        raise NothingHere
    return found
