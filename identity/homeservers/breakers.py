"""Circuit breakers: a homeserver that fails repeatedly is not called for a while."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base

MAX_FAILURES = 3  # in a row, until the breaker opens
OPEN_FOR = timedelta(seconds=30)


class HomeserverBreaker(Base):
    """One breaker.

    Closed while `tried_again_at` is None; else open until then, when one call may try.
    """

    __tablename__ = "homeserver_breakers"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    tried_again_at: Mapped[datetime | None]


def lock(session: Session, homeserver: str) -> HomeserverBreaker:
    """The row of this homeserver, made if needed and locked until the transaction ends."""
    inserting.insert_if_new(session, HomeserverBreaker, {"homeserver": homeserver, "failures": 0})
    return session.scalars(
        select(HomeserverBreaker)
        .where(HomeserverBreaker.homeserver == homeserver)
        .with_for_update()
    ).one()


def open_until(session: Session, now: datetime, homeserver: str) -> datetime | None:
    """Until when the breaker is open; None if a call may be made now."""
    row = session.get(HomeserverBreaker, homeserver)
    until = row.tried_again_at if row else None
    return until if until is not None and until > now else None


def admit_call(row: HomeserverBreaker, now: datetime) -> bool:
    """Whether a call may be made. When the time of an open breaker ends, one call may try."""
    if row.tried_again_at is None:
        return True
    if row.tried_again_at > now:
        return False
    row.tried_again_at = now + OPEN_FOR
    return True


def record_failure(session: Session, now: datetime, homeserver: str) -> None:
    """Count a failed call; open the breaker after `MAX_FAILURES`."""
    row = lock(session, homeserver)
    row.failures += 1
    if row.failures >= MAX_FAILURES:
        row.tried_again_at = now + OPEN_FOR


def record_answer(session: Session, homeserver: str) -> None:
    """Close the breaker: the homeserver answered."""
    own = HomeserverBreaker.homeserver == homeserver
    rows.update(session, HomeserverBreaker, own, failures=0, tried_again_at=None)
