"""`/journal`: who did what, when, from where and why. Whoever is no auditor reads no names of people."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import journal_views, paging
from identity.core.journal import JournalEntry
from identity.core.personal_data import mask_names
from identity.operators.roles import Deed, Role
from identity.web import parameters

from . import frame, guards

MAX_TYPED = 200  # characters of one filter


@frame.reads("/journal", Deed.SEE_JOURNAL, whole=True)
def list_journal(session: Session) -> dict[str, Any]:
    """The rows, newest first: of one action (`rules.publish`), a noun, a request or a subject."""
    action, request_id, subject = parameters.optional("action", "request_id", "subject")
    for name, value in (("action", action), ("request_id", request_id), ("subject", subject)):
        if value is not None and len(value) > MAX_TYPED:
            raise frame.wrong(name, f"At most {MAX_TYPED} characters.")
    row = JournalEntry
    query = select(row)
    if action:
        below = row.action.startswith(f"{action}.", autoescape=True)
        query = query.where((row.action == action) | below)
    if request_id:
        query = query.where(row.request_id == request_id)
    if subject:
        query = query.where(row.subject == subject)
    page = paging.find_page(session, query, [row.number], **frame.asked_page())
    return frame.listed(page, _told)


def _told(row: JournalEntry) -> dict[str, Any]:
    shown = journal_views.describe(row)
    if Role.AUDITOR in guards.program().roles:
        return shown
    facts = json.loads(mask_names(json.dumps(shown["facts"], ensure_ascii=False)))
    return shown | {"subject": mask_names(shown["subject"]), "facts": facts}
