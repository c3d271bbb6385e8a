"""Reports of our modules: the ids of those processed, and the refusals, for support."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import USER_ID

BEGUN = "begun"  # the result of a report that is not processed yet
MOST_REASONS = 50  # of refusals, that are told of one homeserver


class ModuleReport(Base):
    """A report that was received, stored so that it counts once."""

    __tablename__ = "module_reports"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(index=True)
    result: Mapped[str]  # begun, ok, ignored, rejected
    why: Mapped[str | None]


class ModuleRefusal(Base):
    """How often a module refused a user for one reason, and when last; not whom they contacted."""

    __tablename__ = "module_refusals"

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    reason: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


class RefusalCount(Base):
    """How often the module of a homeserver refused something for one reason, by the hour."""

    __tablename__ = "module_refusal_counts"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    hour_at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


def claim(
    session: Session, now: datetime, *, homeserver: str, report_id: uuid.UUID, kind: str
) -> ModuleReport:
    """The row of this report: new (BEGUN) for the first caller, with its result for later ones."""
    key = {"homeserver": homeserver, "id": report_id}
    inserting.insert_if_new(
        session, ModuleReport, {**key, "kind": kind, "received_at": now, "result": BEGUN}
    )
    return session.get_one(ModuleReport, (homeserver, report_id))


def add_refusals(
    session: Session, *, user_id: str, reason: str, count: int, last_at: datetime
) -> None:
    """Count further refusals of the same user for the same reason."""
    statement = inserting.insert_statement(session, ModuleRefusal).values(
        user_id=user_id, reason=reason, count=count, last_at=last_at
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id", "reason"],
            set_={"count": ModuleRefusal.count + statement.excluded.count},
        )
    )
    row = session.get(ModuleRefusal, (user_id, reason), populate_existing=True)
    if row is not None and row.last_at < last_at:
        row.last_at = last_at


def refusals_of(session: Session, user_id: str) -> Sequence[ModuleRefusal]:
    """The refusals of a user, the latest first."""
    return session.scalars(
        select(ModuleRefusal)
        .where(ModuleRefusal.user_id == user_id)
        .order_by(ModuleRefusal.last_at.desc(), ModuleRefusal.reason)
    ).all()


def forget(
    session: Session,
    *,
    reports_before: datetime,
    refusals_before: datetime,
    counts_before: datetime,
    limit: int,
) -> int:
    """Delete old reports, refusals and counts of these, at most so many. Returns how many rows."""
    old = ModuleReport.received_at < reports_before
    gone = rows.delete(session, ModuleReport, old, limit=limit)
    old = ModuleRefusal.last_at < refusals_before
    gone += rows.delete(session, ModuleRefusal, old, limit=limit - gone)
    old = RefusalCount.hour_at < counts_before
    return gone + rows.delete(session, RefusalCount, old, limit=limit - gone)


def add_refusal_counts(
    session: Session, *, homeserver: str, reason: str, count: int, hour_at: datetime
) -> None:
    """Count further refusals of a homeserver's module in the hour that begins then."""
    statement = inserting.insert_statement(session, RefusalCount).values(
        homeserver=homeserver, hour_at=hour_at, reason=reason, count=count
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["homeserver", "hour_at", "reason"],
            set_={"count": RefusalCount.count + statement.excluded.count},
        )
    )


def count_refusals(session: Session, homeserver: str, since: datetime) -> dict[str, int]:
    """How often its module refused something since then (to the hour), by reason, the most first.

    Of the 50 commonest reasons: a module may name as many as it likes.
    """
    row = RefusalCount
    total = func.sum(row.count)
    found = session.execute(
        select(row.reason, total)
        .where(row.homeserver == homeserver, row.hour_at > since)
        .group_by(row.reason)
        .order_by(total.desc(), row.reason)
        .limit(MOST_REASONS)
    )
    return {reason: int(count) for reason, count in found}
