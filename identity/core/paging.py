"""Pages of long tables by key: as fast for the last page as for the first, whatever is inserted.

A page ends with the key of its last row, and the next one begins behind it. Counts stop at a bound:
nobody waits for a count over a million rows.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.problems import WrongParameter

from .database import UtcDateTime

LIMIT: Final = 50
LONGEST: Final = 200  # rows of a page, at most
MOST: Final = 10_000
"""A count goes no further: people read "more than 10,000"."""
MAX_AFTER: Final = 500  # characters
MAX_NUMBER: Final = 2**63 - 1  # that both databases compare

Row = TypeVar("Row")
Column = InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and where the next page begins; None on the last one."""

    items: Sequence[Row]
    following: str | None = None


def find_page(
    session: Session,
    query: Select[Row],
    keys: Sequence[Column],
    *,
    after: str | None = None,
    limit: int = LIMIT,
    descending: bool = True,
) -> Page[Row]:
    """The rows of a query over one table behind `after`, ordered by these columns of it.

    `keys`: together they are unique and indexed. `after`: `following` of the page before. Raises
    WrongParameter if it is none.
    """
    limit = max(1, min(limit, LONGEST))
    if after:
        query = query.where(_is_behind(keys, _read(after, keys), descending=descending))
    ordered = query.order_by(*(key.desc() if descending else key for key in keys))
    found = session.scalars(ordered.limit(limit + 1)).all()
    if len(found) <= limit:
        return Page(found)
    return Page(found[:limit], _write(found[limit - 1], keys))


def count_up_to(session: Session, *which: ColumnElement[bool], most: int = MOST) -> int:
    """How many rows meet these conditions; `most + 1` if there are more than `most`."""
    some = select(literal(1)).where(*which).limit(most + 1).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _is_behind(
    keys: Sequence[Column], values: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    pairs = zip(keys, values, strict=True)
    place = tuple_(*(literal(value, key.type) for key, value in pairs))
    return tuple_(*keys) < place if descending else tuple_(*keys) > place


def _write(row: object, keys: Sequence[Column]) -> str:
    values = [getattr(row, key.key) for key in keys]
    texts = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    texts = [str(text) if isinstance(text, uuid.UUID) else text for text in texts]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def _read(after: str, keys: Sequence[Column]) -> list[Any]:
    try:
        padded = after[:MAX_AFTER] + "=" * (-len(after) % 4)
        texts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return [_value(text, key) for text, key in zip(texts, keys, strict=True)]
    except (binascii.Error, ValueError, TypeError, RecursionError, OverflowError):
        raise WrongParameter(
            "This page has no such continuation: begin at the first.", field="after"
        ) from None


def _value(text: Any, key: Column) -> Any:
    """The value of a column, of the text in a key. Raises ValueError, TypeError."""
    if isinstance(key.type, UtcDateTime):
        return datetime.fromisoformat(text).astimezone(UTC)
    wanted = key.type.python_type
    if wanted is uuid.UUID:
        return uuid.UUID(text)
    if wanted is int and abs(text) > MAX_NUMBER:
        raise ValueError(text)
    if type(text) is not wanted or "\0" in str(text):
        raise ValueError(text)
    return text
