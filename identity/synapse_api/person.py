"""What our modules in homeservers reported of a person: why they were refused, and how often."""

from collections.abc import Iterator

from sqlalchemy import select

from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events, events

from .report_models import ModuleRefusal


def records_of(view: View) -> Iterator[Record]:
    """One record for each reason; whom they wanted to reach is not stored."""
    mine = ModuleRefusal.user_id.in_(view.person.user_ids)
    for each in view.session.scalars(
        select(ModuleRefusal).where(mine).order_by(ModuleRefusal.last_at)
    ):
        yield Record(
            "refusals",
            {
                "user_id": each.user_id,
                "reason": each.reason,
                "times": each.count,
                "last_at": each.last_at,
            },
            happened((each.last_at, f"refused by the module: {each.reason}, {each.count} times")),
        )


def events_of(view: View) -> Iterator[Events]:
    """The last refusal for each reason, and how many there were."""
    row = ModuleRefusal
    mine = row.user_id.in_(view.person.user_ids)
    yield events("refusal", row.last_at, row.reason, mine, detail=row.reason, note=row.count)


def erase(erasure: Erasure) -> None:
    """Delete the refusals."""
    mine = ModuleRefusal.user_id.in_(erasure.person.user_ids)
    erasure.delete("refusals", ModuleRefusal, mine)
