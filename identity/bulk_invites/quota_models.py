"""How many invitations the lists of each organisation have ordered for each day."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import advisory_locks, inserting, rows
from identity.core.database import Base


class ListQuotaDay(Base):
    """What is used of one day (UTC), today or later: rows over the quota wait for their day."""

    __tablename__ = "people_list_days"

    organisation: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(default=0)


def used_from(session: Session, organisation: str, today: dt.date) -> dict[dt.date, int]:
    """How many are ordered for this day and those after it."""
    row = ListQuotaDay
    found = select(row.day, row.used).where(row.organisation == organisation, row.day >= today)
    return dict(session.execute(found).all())


def lock(session: Session, organisation: str) -> None:
    """Hold this organisation's quota until the transaction ends: of lists at once, one reserves.

    All its days: around midnight not everybody's clock says the same one.
    """
    advisory_locks.take(session, [f"list_quota:{organisation}"])


def record(session: Session, organisation: str, used: dict[dt.date, int]) -> None:
    """Store how many are ordered for these days."""
    statement = inserting.insert_statement(session, ListQuotaDay)
    statement = statement.on_conflict_do_update(
        index_elements=["organisation", "day"], set_={"used": statement.excluded.used}
    )
    days = [{"organisation": organisation, "day": day, "used": n} for day, n in used.items()]
    if days:
        session.execute(statement, days)


def forget(session: Session, before: dt.datetime, *, limit: int) -> int:
    """Delete days before then, at most so many. Returns how many."""
    return rows.delete(session, ListQuotaDay, ListQuotaDay.day < before.date(), limit=limit)
