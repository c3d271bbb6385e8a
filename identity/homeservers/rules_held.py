"""How far a revision of the rules has come: which homeservers' modules have it, and which have not."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from .models import Homeserver
from .module_models import HomeserverModule
from .standing import RETIRED, SUSPENDED

NEVER_HEARD: Final = "never_heard"

Row = tuple[Homeserver, HomeserverModule | None]


def describe(session: Session, revision: int, *which: ColumnElement[bool]) -> dict[str, Any]:
    """Who has this revision, of all homeservers or of those that meet these conditions.

    Shape: as `describe_of`. One query.
    """
    query = select(Homeserver, HomeserverModule).outerjoin(HomeserverModule).where(*which)
    found = session.execute(query.order_by(Homeserver.name))
    return describe_of([(row, module) for row, module in found], revision)


def describe_of(rows: Iterable[Row], revision: int) -> dict[str, Any]:
    """Who of these has this revision or a later one.

    {"revision", "taken_by": number, "of": number, "late": [{"name", "label", "revision": number or
    null, "heard_at": time}], "apart": [{"name", "label", "why"}]}. A homeserver that is suspended,
    retired, or whose module was never heard stands apart: `of` does not count it.
    """
    late: list[dict[str, Any]] = []
    apart: list[dict[str, Any]] = []
    taken_by = of = 0
    for row, module in rows:
        named = {"name": row.name, "label": row.label}
        if (why := _why_apart(row, module)) is not None or module is None:
            apart.append(named | {"why": why})
            continue
        of += 1
        if module.revision is not None and module.revision >= revision:
            taken_by += 1
            continue
        heard_at = module.heard_at.isoformat(timespec="seconds")
        late.append(named | {"revision": module.revision, "heard_at": heard_at})
    return {"revision": revision, "taken_by": taken_by, "of": of, "late": late, "apart": apart}


def _why_apart(row: Homeserver, module: HomeserverModule | None) -> str | None:
    """Why it is not expected to have the newest rules; None if it is."""
    if row.suspended_at is not None:
        return SUSPENDED
    if row.retired_at is not None:
        return RETIRED
    return NEVER_HEARD if module is None else None
