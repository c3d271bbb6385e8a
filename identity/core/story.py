"""The story of one person: events from the tables of all stories, newest first, page by page.

Each story says in `events_of` of its `person.py` which of its rows are events, as queries with the
same six columns. They are read in one statement, each by an index and no further than a page.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    cast,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.problems import WrongParameter

from .database import UtcDateTime
from .paging import LIMIT, MAX_AFTER, Page

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Events = Select[Any]


@dataclass(frozen=True)
class Event:
    """Something that happened. `what` and `key` together name it, and lead to its row.

    `whom`: the address or user ID of somebody else, unmasked. `place`: a room or homeserver.
    `detail`, `note`: a word of ours, or a text from outside in which addresses may stand.
    """

    at: datetime
    what: str
    key: str
    whom: str | None
    place: str | None
    detail: str | None
    note: str | None


def events(
    what: str | ColumnElement[str],
    at: Column,
    key: Column,
    *which: ColumnElement[bool],
    whom: Column | None = None,
    place: Column | None = None,
    detail: Column | None = None,
    note: Column | None = None,
) -> Events:
    """The rows of one kind as events. `at`: rows in which it is null are none."""
    named = literal(what) if isinstance(what, str) else what
    texts = {"whom": whom, "place": place, "detail": detail, "note": note}
    columns: list[ColumnElement[Any]] = [
        at.label("at"),
        cast(named, String).label("what"),
        cast(key, String).label("key"),
        *(cast(null() if each is None else each, String).label(n) for n, each in texts.items()),
    ]
    return select(*columns).where(at.is_not(None), *which)


def find_page(
    session: Session, parts: Iterable[Events], *, after: str | None = None, limit: int = LIMIT
) -> Page[Event]:
    """The newest events behind `after`, which is `following` of the page before.

    Raises WrongParameter if it is none.
    """
    behind = _read(after) if after else None
    some = [_newest(part, behind, limit + 1) for part in parts]
    found = _in_order(session, union_all(*some), limit + 1)
    if len(found) <= limit:
        return Page(found)
    last = found[limit - 1]
    return Page(found[:limit], _write([last.at.isoformat(), last.what, last.key]))


def find_one(session: Session, parts: Iterable[Events], what: str, key: str) -> Event | None:
    """The event of this name, if it is one of these."""
    here = []
    for part in parts:
        columns = part.selected_columns
        named = part.where(columns["what"] == what, columns["key"] == key)
        here.append(select(named.subquery()))
    return next(iter(_in_order(session, union_all(*here), 1)), None)


def _newest(part: Events, behind: tuple[datetime, str, str] | None, limit: int) -> Select[Any]:
    """So many events of one part: what the whole page needs of it at most."""
    columns = part.selected_columns
    if behind is not None:
        at, *names = behind
        place = tuple_(literal(at, UtcDateTime()), *(literal(each, String()) for each in names))
        # The first condition alone is what an index can answer.
        part = part.where(
            columns["at"] <= literal(at, UtcDateTime()),
            tuple_(columns["at"], columns["what"], columns["key"]) < place,
        )
    order = (columns["at"].desc(), columns["what"].desc(), columns["key"].desc())
    return select(part.order_by(*order).limit(limit).subquery())


def _in_order(session: Session, query: CompoundSelect[Any], limit: int) -> Sequence[Event]:
    whole = query.subquery()
    order = (whole.c.at.desc(), whole.c.what.desc(), whole.c.key.desc())
    rows = session.execute(select(whole).order_by(*order).limit(limit))
    return [Event(*row) for row in rows]


def _write(names: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(names).encode()).decode().rstrip("=")


def _read(after: str) -> tuple[datetime, str, str]:
    try:
        padded = after[:MAX_AFTER] + "=" * (-len(after) % 4)
        at, what, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        # A character that no database compares ends up as one that no event has.
        what, key = (each.replace("\0", "") for each in (what, key))
        return datetime.fromisoformat(at).astimezone(UTC), what, key
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        raise WrongParameter(
            "This page has no such continuation: begin at the first.", field="after"
        ) from None
