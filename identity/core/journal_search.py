"""Searches the journal, newest first, page by page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from . import paging
from .journal import JournalEntry
from .paging import Page


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
    conditions = _conditions(session, wanted)
    query = select(JournalEntry).where(*conditions, true() if within is None else within)
    return paging.find_page(session, query, (JournalEntry.number,), after=after, limit=limit)


def _conditions(session: Session, wanted: JournalFilter) -> list[ColumnElement[bool]]:
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
        found.append(row.number >= _first_from(session, wanted.since))
    if wanted.until is not None:
        found.append(row.number < _first_from(session, wanted.until))
    return found


def _first_from(session: Session, moment: datetime) -> int:
    """The number of the first row at this moment or later, by halving; one too many if there is none."""
    low, high = 1, (session.scalar(select(func.max(JournalEntry.number))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        entry = session.get(JournalEntry, middle)
        if entry is not None and entry.at < moment:
            low = middle + 1
        else:
            high = middle
    return low
