"""Whose address went to whom: who left a conversation of two keeps the seat for the account that has the address now."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base


class Succession(Base):
    """Two accounts that proved the same address, one after the other. The address itself is not kept here."""

    __tablename__ = "successions"

    predecessor: Mapped[str] = mapped_column(primary_key=True)
    successor: Mapped[str] = mapped_column(primary_key=True, index=True)
    noted_at: Mapped[datetime] = mapped_column(index=True)


def record_succession(
    session: Session, now: datetime, *, predecessors: Iterable[str], successor: str
) -> None:
    """Keep the pairs; those that are there stay as they are."""
    inserting.several(
        session,
        Succession,
        [{"predecessor": each, "successor": successor, "noted_at": now} for each in predecessors],
    )


def predecessors(session: Session, successor: str, among: Collection[str]) -> list[str]:
    """Those of these accounts whose address this one has now, or had."""
    return list(
        session.scalars(
            select(Succession.predecessor)
            .where(Succession.successor == successor, Succession.predecessor.in_(among))
            .order_by(Succession.predecessor)
        )
    )


def forget(session: Session, before: datetime) -> int:
    """Delete those noted before then. How many that were."""
    old = Succession.noted_at < before
    count = session.scalar(select(func.count()).where(old)) or 0
    session.execute(delete(Succession).where(old))
    return count
