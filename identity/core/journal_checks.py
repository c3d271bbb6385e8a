"""The row about the last time that the whole journal was verified."""

from datetime import datetime

from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting
from .database import Base
from .journal import Verified

ONLY = 1


class JournalCheck(Base):
    """When it was verified last, up to which row and hash, and the first fault: "" if there is none."""

    __tablename__ = "journal_checks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checked_at: Mapped[datetime]
    rows: Mapped[int]
    head: Mapped[str]
    faulty_row: Mapped[int | None]
    fault: Mapped[str]


def record(session: Session, now: datetime, done: Verified) -> None:
    """Keep what the last verification found, instead of the one before."""
    values = {
        "checked_at": now,
        "rows": done.rows,
        "head": done.head,
        "faulty_row": done.fault.number if done.fault else None,
        "fault": done.fault.what if done.fault else "",
    }
    session.execute(
        inserting.insert_statement(session, JournalCheck)
        .values(id=ONLY, **values)
        .on_conflict_do_update(index_elements=["id"], set_=values)
    )


def find(session: Session) -> JournalCheck | None:
    """The last verification; None before the first."""
    return session.get(JournalCheck, ONLY)
