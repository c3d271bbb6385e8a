"""What the homeservers' modules reported: each report once, and the refusals that the support desk asks about."""

import uuid
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

BEGUN = "begun"


class ModuleReport(Base):
    """A report that was taken, so that it counts once however often it is sent."""

    __tablename__ = "module_reports"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(index=True)
    result: Mapped[str]  # begun, ok, ignored, rejected
    why: Mapped[str | None]


class ModuleRefusal(Base):
    """How often a module refused one user for one reason, and when it last did. Whom they wrote to is not kept."""

    __tablename__ = "module_refusals"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


def claim(
    session: Session, now: datetime, *, homeserver: str, report_id: uuid.UUID, kind: str
) -> ModuleReport:
    """The row of this report: begun by whoever comes first, with its result for everybody after."""
    key = {"homeserver": homeserver, "id": report_id}
    inserting.insert_if_new(
        session, ModuleReport, {**key, "kind": kind, "received_at": now, "result": BEGUN}
    )
    return session.get_one(ModuleReport, (homeserver, report_id))


def add_refusals(
    session: Session, *, user_id: str, reason: str, count: int, last_at: datetime
) -> None:
    """Count further refusals of the same user for the same reason."""
    statement = inserting.insert(session, ModuleRefusal).values(
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


def refusals_of(session: Session, user_id: str) -> list[ModuleRefusal]:
    """The latest first."""
    return list(
        session.scalars(
            select(ModuleRefusal)
            .where(ModuleRefusal.user_id == user_id)
            .order_by(ModuleRefusal.last_at.desc(), ModuleRefusal.reason)
        )
    )


def forget(session: Session, *, reports_before: datetime, refusals_before: datetime) -> int:
    """Delete what nobody asks about any more. How many rows."""
    old = (
        delete(ModuleReport).where(ModuleReport.received_at < reports_before),
        delete(ModuleRefusal).where(ModuleRefusal.last_at < refusals_before),
    )
    return sum(cast("CursorResult[Any]", session.execute(one)).rowcount for one in old)
