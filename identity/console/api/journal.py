"""`/journal`: who did what, when, from where and why. Whoever is no auditor reads no names of people."""

from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import journal_search, journal_views
from identity.core.journal import JournalEntry
from identity.core.journal_search import JournalFilter
from identity.core.outbox import JobKind
from identity.health import looking
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed, Role
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards, reading

FILTERS: Final = ("action", "actor", "origin", "subject", "request_id")
TIMES: Final = ("since", "until")
MAX_TYPED: Final = 200  # characters of one filter


@frame.reads("/journal", Deed.SEE_JOURNAL, *FILTERS, *TIMES, *frame.PAGED)
def list_journal(session: Session) -> dict[str, Any]:
    """The rows, newest first: of an action (`rules.publish`) or a noun, a person, a door, a time.

    With a scope: what its operator did, and what was done with what the scope holds.
    """
    given = dict(zip(FILTERS, parameters.optional(*FILTERS), strict=True))
    for name, value in given.items():
        if value is not None and len(value) > MAX_TYPED:
            raise frame.wrong(name, f"At most {MAX_TYPED} characters.")
    since, until = parameters.optional(*TIMES)
    wanted = JournalFilter(
        **{name: value or "" for name, value in given.items()},
        since=reading.moment("since", since) if since else None,
        until=reading.moment("until", until) if until else None,
    )
    page = journal_search.find(session, wanted, within=_within(session), **frame.asked_page())
    return frame.listed(page, _told)


@frame.writes("/journal/verify", Deed.SEE_JOURNAL, frame.Said)
def verify_journal(session: Session, _given: frame.Said) -> Answer:
    """Let the worker verify the chain of the journal now."""
    ordered = looking.order(session, services.now(), JobKind.JOURNAL_CHECK)
    return frame.under_way({"ordered": ordered}, "/health")


frame.in_console("/journal/export", "export_journal", Deed.EXPORT_JOURNAL, "/admin/journal")


def _within(session: Session) -> ColumnElement[bool] | None:
    return scoping.journal_within(session, guards.program().operator, guards.program().scope)


def _told(row: JournalEntry) -> dict[str, Any]:
    return journal_views.describe(row, is_masked=Role.AUDITOR not in guards.program().roles)
