"""Homeservers that failed lately: after some failures nobody waits for them until one call has tried."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

FAILURES = 3  # one after the other, until it opens
OPEN_FOR = timedelta(seconds=30)


class HomeserverBreaker(Base):
    """Closed while it has no `tried_again_at`; open until then, when one call is let through to see."""

    __tablename__ = "homeserver_breakers"

    homeserver: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    tried_again_at: Mapped[datetime | None]


def lock(session: Session, homeserver: str) -> HomeserverBreaker:
    """The row of this homeserver, held until the transaction ends: calls are counted one after the other."""
    inserting.insert_if_new(session, HomeserverBreaker, {"homeserver": homeserver, "failures": 0})
    return session.scalars(
        select(HomeserverBreaker)
        .where(HomeserverBreaker.homeserver == homeserver)
        .with_for_update()
    ).one()


def open_until(session: Session, now: datetime, homeserver: str) -> datetime | None:
    """When the next call may be tried; None if now."""
    row = session.get(HomeserverBreaker, homeserver)
    until = row.tried_again_at if row else None
    return until if until is not None and until > now else None


def admit(row: HomeserverBreaker, now: datetime) -> bool:
    """Whether a call may be made. Of those that come to an open breaker after its time, one may."""
    if row.tried_again_at is None:
        return True
    if row.tried_again_at > now:
        return False
    row.tried_again_at = now + OPEN_FOR
    return True


def failed(session: Session, now: datetime, homeserver: str) -> None:
    """One more call found nobody."""
    row = lock(session, homeserver)
    row.failures += 1
    if row.failures >= FAILURES:
        row.tried_again_at = now + OPEN_FOR


def answered(session: Session, homeserver: str) -> None:
    """It is there."""
    session.execute(
        update(HomeserverBreaker)
        .where(HomeserverBreaker.homeserver == homeserver)
        .values(failures=0, tried_again_at=None)
        .execution_options(synchronize_session=False)
    )
