"""Circuit breakers: a homeserver that fails repeatedly is not called for a while.

They are rows, so that what one process found out keeps the threads of all others free.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base

MAX_FAILURES = 5  # in a row, until the breaker opens
OPEN_FOR = timedelta(seconds=30)


class Interface(StrEnum):
    """An interface of a homeserver. Each has a breaker: one may fail while another answers."""

    ACCOUNTS = "accounts"  # the administration API
    FEDERATION = "federation"  # OpenID tokens and keys, answered by the homeserver alone
    ONBIND = "onbind"  # asks the homeserver of a room, which may be the one that is silent
    MODULE = "module"  # room actions, which may need other homeservers too


class HomeserverBreaker(Base):
    """One breaker, by the key of `key_of`.

    Closed while `tried_again_at` is None; else open until then, when one call may try.
    """

    __tablename__ = "homeserver_breakers"

    # The column has its name from the time when accounts alone had a breaker.
    key: Mapped[str] = mapped_column("homeserver", primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    tried_again_at: Mapped[datetime | None]


@dataclass(frozen=True)
class BreakerState:
    """`until`: when the next call may try; None if the breaker is closed."""

    failures: int = 0
    until: datetime | None = None


def key_of(homeserver: str, interface: Interface) -> str:
    """The key of a breaker; for accounts the name alone, as versions before wrote it."""
    return homeserver if interface is Interface.ACCOUNTS else f"{homeserver} {interface}"


def state_of(session: Session, key: str) -> BreakerState:
    """The state of a breaker; closed if there is none yet."""
    row = session.get(HomeserverBreaker, key)
    return BreakerState(row.failures, row.tried_again_at) if row else BreakerState()


def lock(session: Session, key: str) -> HomeserverBreaker:
    """The row of this key, made if needed and locked until the transaction ends."""
    inserting.insert_if_new(session, HomeserverBreaker, {"key": key, "failures": 0})
    return session.scalars(
        select(HomeserverBreaker).where(HomeserverBreaker.key == key).with_for_update()
    ).one()


def open_until(session: Session, now: datetime, key: str) -> datetime | None:
    """Until when the breaker is open; None if a call may be made now."""
    until = state_of(session, key).until
    return until if until is not None and until > now else None


def find_of(session: Session, homeserver: str) -> dict[Interface, BreakerState]:
    """The breakers of one homeserver, in one query."""
    keys = {key_of(homeserver, each): each for each in Interface}
    query = select(HomeserverBreaker).where(HomeserverBreaker.key.in_(keys))
    found = {
        keys[row.key]: BreakerState(row.failures, row.tried_again_at)
        for row in session.scalars(query)
    }
    return {each: found.get(each, BreakerState()) for each in Interface}


def find_all(session: Session) -> dict[tuple[str, str], bool]:
    """Whether each breaker is open, by homeserver and interface; those that never failed are not.

    An open breaker whose time has ended stays open until a call is answered.
    """
    found = {}
    for row in session.scalars(select(HomeserverBreaker).order_by(HomeserverBreaker.key)):
        homeserver, _, interface = row.key.partition(" ")
        found[homeserver, interface or Interface.ACCOUNTS.value] = row.tried_again_at is not None
    return found


def admit_call(row: HomeserverBreaker, now: datetime) -> bool:
    """Whether a call may be made. When the time of an open breaker ends, one call may try."""
    if row.tried_again_at is None:
        return True
    if row.tried_again_at > now:
        return False
    row.tried_again_at = now + OPEN_FOR
    return True


def record_failure(session: Session, now: datetime, key: str) -> None:
    """Count a failed call; open the breaker after `MAX_FAILURES`."""
    row = lock(session, key)
    row.failures += 1
    if row.failures >= MAX_FAILURES:
        row.tried_again_at = now + OPEN_FOR


def record_answer(session: Session, key: str) -> None:
    """Close the breaker: the homeserver answered."""
    own = HomeserverBreaker.key == key
    rows.update(session, HomeserverBreaker, own, failures=0, tried_again_at=None)
