"""Searches the journal, newest first, page by page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, func, select, true
from sqlalchemy.orm import Session, aliased

from . import paging
from .journal import JournalEntry
from .paging import Page

LATER: Final = 2**31 - 1  # than every row


@dataclass(frozen=True)
class JournalFilter:
    """What to look for; empty or None matches everything.

    `action`: one (`rules.publish`), or a noun alone (`rules`). `origin`: where it came from begins
    so: `console`, `api`. `since`, `until`: at this moment or later, and before it.
    """

    action: str = ""
    actor: str = ""
    origin: str = ""
    subject: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


def find(
    session: Session,
    wanted: JournalFilter,
    *,
    within: ColumnElement[bool] | None = None,
    after: str | None = None,
    limit: int = paging.LIMIT,
) -> Page[JournalEntry]:
    """A page of these rows. `within`: what the reader may see. Raises WrongParameter."""
    conditions = _conditions(wanted)
    query = select(JournalEntry).where(*conditions, true() if within is None else within)
    return paging.find_page(session, query, (JournalEntry.number,), after=after, limit=limit)


def _conditions(wanted: JournalFilter) -> list[ColumnElement[bool]]:
    row = JournalEntry
    same = ((row.actor, wanted.actor), (row.subject, wanted.subject))
    found = [
        column == value for column, value in (*same, (row.request_id, wanted.request_id)) if value
    ]
    if wanted.action:
        begins = row.action.startswith(f"{wanted.action}.", autoescape=True)
        found.append((row.action == wanted.action) | begins)
    if wanted.origin:
        found.append(row.origin.startswith(wanted.origin, autoescape=True))
    # Rows are written in the order of time, so a moment is a number: nothing is scanned for it.
    if wanted.since is not None:
        found.append(row.number >= _first_from(wanted.since))
    if wanted.until is not None:
        found.append(row.number < func.coalesce(_first_from(wanted.until), LATER))
    return found


def _first_from(moment: datetime) -> ScalarSelect[int]:
    """The number of the first row at this moment or later."""
    row = aliased(JournalEntry)
    query = select(row.number).where(row.at >= moment).order_by(row.at, row.number).limit(1)
    return query.scalar_subquery()
