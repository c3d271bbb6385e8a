"""The state of the feeds that our modules in homeservers read: one row with epoch and number."""

import secrets
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

THE_ROW = 1
EPOCH_BYTES = 12


class FeedState(Base):
    """The one row. Numbers count within one `epoch`; after a restored backup another one begins."""

    __tablename__ = "feed_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str]
    number: Mapped[int]  # of the newest change among the agents of mixed homeservers
    judged_by: Mapped[
        str
    ]  # the rule revision and mixed homeservers of the last full classification
    judged_until: Mapped[datetime | None]  # when the rules change by their validity dates


def find_state(session: Session) -> FeedState | None:
    return session.get(FeedState, THE_ROW)


def lock_state(session: Session) -> FeedState:
    """The row, created if missing and locked until the transaction ends."""
    first = {"id": THE_ROW, "epoch": _new_epoch(), "number": 0, "judged_by": ""}
    inserting.insert_if_new(session, FeedState, first)
    return session.scalars(
        select(FeedState)
        .where(FeedState.id == THE_ROW)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def begin_epoch(session: Session, *, after: str) -> None:
    """Begin another epoch, unless `after` is not the current one any more."""
    session.execute(
        update(FeedState)
        .where(FeedState.id == THE_ROW, FeedState.epoch == after)
        .values(epoch=_new_epoch())
    )


def _new_epoch() -> str:
    return secrets.token_hex(EPOCH_BYTES)
