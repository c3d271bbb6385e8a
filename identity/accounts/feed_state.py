"""What the feeds to the homeservers' modules stand at: one row, which whoever numbers a change holds."""

import secrets
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

THE_ROW = 1
EPOCH_BYTES = 12


class FeedState(Base):
    """`epoch` names this database's counting: numbers are only compared within one."""

    __tablename__ = "feed_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str]
    number: Mapped[int]  # of the newest change among the agents of mixed homeservers
    judged_by: Mapped[str]  # what the whole list of agents was last made from
    judged_until: Mapped[datetime | None]  # when a validity begins or ends


def current(session: Session) -> FeedState | None:
    return session.get(FeedState, THE_ROW)


def hold(session: Session) -> FeedState:
    """The row, made on first need; nobody else changes it until this transaction ends."""
    first = {"id": THE_ROW, "epoch": _new_epoch(), "number": 0, "judged_by": ""}
    inserting.insert_if_new(session, FeedState, first)
    return session.scalars(
        select(FeedState)
        .where(FeedState.id == THE_ROW)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def begin_epoch(session: Session, *, after: str) -> None:
    """Another counting begins, unless somebody has ended this one already."""
    session.execute(
        update(FeedState)
        .where(FeedState.id == THE_ROW, FeedState.epoch == after)
        .values(epoch=_new_epoch())
    )


def _new_epoch() -> str:
    return secrets.token_hex(EPOCH_BYTES)
