"""Which account had an address before another one.

In a direct chat of two, the account that has the address of a member who left may take their place.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import USER_ID


class Succession(Base):
    """Two accounts that verified the same address one after the other; it is not stored here."""

    __tablename__ = "successions"

    predecessor: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    successor: Mapped[str] = mapped_column(primary_key=True, index=True, info=USER_ID)
    noted_at: Mapped[datetime] = mapped_column(index=True)


def record_succession(
    session: Session, now: datetime, *, predecessors: Iterable[str], successor: str
) -> None:
    """Store the pairs that are not stored yet."""
    inserting.insert_missing(
        session,
        Succession,
        [{"predecessor": each, "successor": successor, "noted_at": now} for each in predecessors],
    )


def predecessors(session: Session, successor: str, among: Collection[str]) -> Sequence[str]:
    """Those of the accounts `among` that had an address of `successor` before it."""
    return session.scalars(
        select(Succession.predecessor)
        .where(Succession.successor == successor, Succession.predecessor.in_(among))
        .order_by(Succession.predecessor)
    ).all()


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete pairs recorded before then. Returns how many."""
    return rows.delete(session, Succession, Succession.noted_at < before, limit=limit)
