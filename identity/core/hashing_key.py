"""The table with the key for keyed hashes (see keyed_hashes.py): one row, sealed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.sealing import SEALED

from . import inserting
from .database import Base

ONLY = 1


class HashingKey(Base):
    """The one row. Without it and a storage key, no hashed address can be found again."""

    __tablename__ = "hashing_key"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed_keys: Mapped[str] = mapped_column(info=SEALED)  # JSON, see keyed_hashes.py
    settled_at: Mapped[
        datetime | None
    ]  # rows hashed with link keys before this: those keys are stored here


def find(session: Session) -> HashingKey | None:
    return session.get(HashingKey, ONLY)


def lock(session: Session) -> HashingKey:
    """The current row, locked for this transaction. It must exist."""
    only = select(HashingKey).where(HashingKey.id == ONLY)
    return session.scalars(only.with_for_update().execution_options(populate_existing=True)).one()


def insert_first(session: Session, sealed_keys: str) -> bool:
    """Insert the row. False if there is one already, also if another node inserts it just now."""
    return inserting.insert_if_new(session, HashingKey, {"id": ONLY, "sealed_keys": sealed_keys})
