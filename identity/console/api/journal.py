"""`/journal`: who did what, when, from where and why. Whoever is no auditor reads no names of people."""

import json
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import journal_search, journal_views
from identity.core.journal import JournalEntry
from identity.core.journal_search import JournalFilter
from identity.core.outbox import JobKind
from identity.core.personal_data import mask_names
from identity.health import looking
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed, Role
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards

MAX_TYPED = 200  # characters of one filter


@frame.reads("/journal", Deed.SEE_JOURNAL)
def list_journal(session: Session) -> dict[str, Any]:
    """The rows, newest first: of one action (`rules.publish`), a noun, a request or a subject.

    With a scope: what its operator did, and what was done with the homeservers of the scope.
    """
    action, request_id, subject = parameters.optional("action", "request_id", "subject")
    for name, value in (("action", action), ("request_id", request_id), ("subject", subject)):
        if value is not None and len(value) > MAX_TYPED:
            raise frame.wrong(name, f"At most {MAX_TYPED} characters.")
    wanted = JournalFilter(action=action or "", request_id=request_id or "", subject=subject or "")
    page = journal_search.find(session, wanted, within=_within(), **frame.asked_page())
    return frame.listed(page, _told)


@frame.writes("/journal/verify", Deed.SEE_JOURNAL, frame.Said)
def verify_journal(session: Session, _given: frame.Said) -> Answer:
    """Let the worker verify the chain of the journal now."""
    ordered = looking.order(session, services.now(), JobKind.JOURNAL_CHECK)
    return frame.under_way({"ordered": ordered}, "/health")


frame.in_console("/journal/export", "export_journal", Deed.EXPORT_JOURNAL, "/admin/journal")


def _within() -> ColumnElement[bool] | None:
    return scoping.journal_within(guards.program().operator, guards.program().scope)


def _told(row: JournalEntry) -> dict[str, Any]:
    shown = journal_views.describe(row)
    if Role.AUDITOR in guards.program().roles:
        return shown
    facts = json.loads(mask_names(json.dumps(shown["facts"], ensure_ascii=False)))
    return shown | {"subject": mask_names(shown["subject"]), "facts": facts}
