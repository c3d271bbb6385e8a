"""The table of the service's signing keys.

The newest signs; older ones stay to verify what they signed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Label, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base
from identity.core.sealed_columns import SEALED


class StoredKey(Base):
    """One signing key, shared by all nodes.

    Its seed (private half) is sealed with a storage key.
    """

    __tablename__ = "signing_keys"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[str] = mapped_column(unique=True)
    public_key: Mapped[str] = mapped_column(unique=True)  # unpadded base64
    sealed_seed: Mapped[str] = mapped_column(info=SEALED)
    created_at: Mapped[datetime]


def find_newest(session: Session) -> StoredKey | None:
    """The key that signs; None if there is no key yet."""
    return session.scalar(select(StoredKey).order_by(StoredKey.number.desc()).limit(1))


def newest_columns() -> list[Label[Any]]:
    """For a statement of a page: `signing_key` and `signing_key_made_at`, of the key that signs."""
    newest = select(func.max(StoredKey.number)).scalar_subquery()
    columns = {"signing_key": StoredKey.key_id, "signing_key_made_at": StoredKey.created_at}
    return [
        select(column).where(StoredKey.number == newest).scalar_subquery().label(name)
        for name, column in columns.items()
    ]


def find(session: Session, key_id: str) -> StoredKey | None:
    """The key with this ID (`ed25519:NAME`), or None."""
    return session.scalar(select(StoredKey).where(StoredKey.key_id == key_id))


def find_by_public_key(session: Session, public_key: str) -> StoredKey | None:
    """The key with this public half (unpadded base64), or None."""
    return session.scalar(select(StoredKey).where(StoredKey.public_key == public_key))


def find_all(session: Session) -> list[StoredKey]:
    """All keys, oldest first."""
    return list(session.scalars(select(StoredKey).order_by(StoredKey.number)))


def add(
    session: Session,
    now: datetime,
    *,
    key_id: str,
    public_key: str,
    sealed_seed: str,
    first: bool = False,
) -> StoredKey | None:
    """Add the key that signs from now on. None if another node added one at the same moment.

    `first`: add it only if there is no key yet.
    """
    newest_number = 0 if first else session.scalar(select(func.max(StoredKey.number))) or 0
    number = newest_number + 1
    row = {
        "number": number,
        "key_id": key_id,
        "public_key": public_key,
        "sealed_seed": sealed_seed,
        "created_at": now,
    }
    return find_newest(session) if inserting.insert_if_new(session, StoredKey, row) else None
