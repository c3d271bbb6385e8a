"""When each link and storage key was last seen in use, by its fingerprint.

Processes record it. So it is known how long what an old key signed may still be on its way, also
where no command of ours changed the settings.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting, rows
from .database import Base

EVERY = timedelta(minutes=5)  # a key in use is recorded no more often
FORGOTTEN_AFTER = timedelta(days=400)


class KeyUse(Base):
    """A key that some process has."""

    __tablename__ = "key_uses"

    key_set: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_active_at: Mapped[datetime | None]  # None: never seen in use


def record(session: Session, now: datetime, *, keys: Mapping[str, Sequence[str]]) -> None:
    """Record the keys of this process: fingerprints by name of their list, the one in use last."""
    for key_set, fingerprints in keys.items():
        inserting.insert_missing(
            session,
            KeyUse,
            [
                {
                    "key_set": key_set,
                    "fingerprint": each,
                    "first_seen_at": now,
                    "last_active_at": None,
                }
                for each in fingerprints
            ],
        )
        if fingerprints:
            rows.update(
                session,
                KeyUse,
                (KeyUse.key_set == key_set) & (KeyUse.fingerprint == fingerprints[-1]),
                or_(KeyUse.last_active_at.is_(None), KeyUse.last_active_at < now - EVERY),
                last_active_at=now,
            )


def last_active(session: Session, key_set: str, fingerprint: str) -> datetime | None:
    """The latest moment at which this key may have been in use; None if nothing was recorded yet.

    A key that was never seen in use may have been so before the first record of its list.
    """
    known = session.get(KeyUse, (key_set, fingerprint))
    if known is not None and known.last_active_at is not None:
        return known.last_active_at + EVERY
    return session.scalar(select(func.min(KeyUse.first_seen_at)).where(KeyUse.key_set == key_set))


def was_active(session: Session, key_set: str, fingerprint: str) -> bool:
    """Whether this key was ever seen in use."""
    known = session.get(KeyUse, (key_set, fingerprint))
    return known is not None and known.last_active_at is not None


def forget(session: Session, now: datetime, *, limit: int) -> int:
    """Delete what is known of keys that nobody has used for more than a year, at most so many."""
    last = func.coalesce(KeyUse.last_active_at, KeyUse.first_seen_at)
    return rows.delete(session, KeyUse, last < now - FORGOTTEN_AFTER, limit=limit)
