"""Reports of our modules: the ids of those processed, and the refusals, for support."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import USER_ID
from identity.core.user_servers import server_of

BEGUN = "begun"  # the result of a report that is not processed yet


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
    session: Session, *, reports_before: datetime, refusals_before: datetime, limit: int
) -> int:
    """Delete old reports and refusals, at most so many. Returns how many rows."""
    old = ModuleReport.received_at < reports_before
    gone = rows.delete(session, ModuleReport, old, limit=limit)
    old = ModuleRefusal.last_at < refusals_before
    return gone + rows.delete(session, ModuleRefusal, old, limit=limit - gone)


def count_refusals(
    session: Session, homeserver: str, since: datetime, *, most: int = 10_000
) -> dict[str, int]:
    """How often its module refused people who were last refused since then, by reason.

    Of at most `most` people and reasons; the commonest first.
    """
    row = ModuleRefusal
    some = (
        select(row.reason, row.count)
        .where(row.last_at > since, server_of(row.user_id) == homeserver)
        .limit(most)
        .subquery()
    )
    total = func.sum(some.c.count)
    found = session.execute(select(some.c.reason, total).group_by(some.c.reason))
    return dict(sorted(found.all(), key=lambda pair: (-pair[1], pair[0])))
