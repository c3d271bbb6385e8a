"""The table of how long each homeserver took to answer, every five minutes, for a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base

KEPT: Final = timedelta(hours=24)
SLOW: Final = 1000  # milliseconds


class HomeserverHealth(Base):
    """One look at a homeserver. `milliseconds`: until its answer; None if there was none."""

    __tablename__ = "homeserver_health"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    milliseconds: Mapped[int | None]


def record(session: Session, now: datetime, homeserver: str, milliseconds: int | None) -> None:
    """Keep what one look found, and forget what is older than a day."""
    row = HomeserverHealth
    values = {"homeserver": homeserver, "at": now, "milliseconds": milliseconds}
    inserting.insert_if_new(session, row, values)
    rows.delete(session, row, row.homeserver == homeserver, row.at < now - KEPT)


def find(session: Session, homeserver: str, *, limit: int = 300) -> Sequence[HomeserverHealth]:
    """The looks at one homeserver, newest first."""
    row = HomeserverHealth
    query = select(row).where(row.homeserver == homeserver).order_by(row.at.desc()).limit(limit)
    return session.scalars(query).all()


def find_last(session: Session, since: datetime) -> dict[str, HomeserverHealth]:
    """The last look at each homeserver since then, by its name."""
    query = select(HomeserverHealth).where(HomeserverHealth.at > since, is_last())
    return {row.homeserver: row for row in session.scalars(query)}


def is_last() -> ColumnElement[bool]:
    """Whether no later look at the same homeserver is stored."""
    row, later = HomeserverHealth, aliased(HomeserverHealth)
    return ~exists().where(later.homeserver == row.homeserver, later.at > row.at)


def forget(session: Session, homeserver: str) -> None:
    """Delete what is known of one homeserver, which is removed."""
    rows.delete(session, HomeserverHealth, HomeserverHealth.homeserver == homeserver)
