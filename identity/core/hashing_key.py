"""The key of the hashes that stand for addresses, networks and mails: one row, made once, sealed by the storage keys."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.sealing import SEALED

from . import inserting
from .database import Base

ONLY = 1


class HashingKey(Base):
    """What is hashed with it can be found for as long as this row and a storage key are there."""

    __tablename__ = "hashing_key"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed_keys: Mapped[str] = mapped_column(info=SEALED)  # JSON, see keyed_hashes.py
    settled_at: Mapped[datetime | None]  # up to when rows hashed with link keys have those kept


def find(session: Session) -> HashingKey | None:
    return session.get(HashingKey, ONLY)


def lock(session: Session) -> HashingKey:
    """The row as it is now; others who would change it wait. There must be one."""
    only = select(HashingKey).where(HashingKey.id == ONLY)
    return session.scalars(only.with_for_update().execution_options(populate_existing=True)).one()


def make(session: Session, sealed_keys: str) -> bool:
    """Of several who make it at once one does: False for the others, once that one's stands."""
    return inserting.insert_if_new(session, HashingKey, {"id": ONLY, "sealed_keys": sealed_keys})
