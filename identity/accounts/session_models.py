"""Browser sessions: a random token in a cookie, and a row with its hash for each."""

import hashlib
import secrets
import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, USER_ID

TOKEN_BYTES = 32
MAX_DEVICE = 100  # characters


class PersonSession(Base):
    """One browser that is signed in to one part of the service, for one account and one address."""

    __tablename__ = "people_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # SHA-256; 256 random bits need no slow hash
    token_hash: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[str]  # the part of the service it gives access to
    user_id: Mapped[str] = mapped_column(index=True, info=USER_ID)
    address: Mapped[str] = mapped_column(info=ADDRESS)  # verified when it was opened
    device: Mapped[str]  # the browser's family; may be empty
    created_at: Mapped[datetime] = mapped_column(index=True)
    last_used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


def add(
    session: Session, now: datetime, *, purpose: str, user_id: str, address: str, device: str
) -> str:
    """Add a session; returns its token, which is stored nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        PersonSession(
            token_hash=_hash(token),
            purpose=purpose,
            user_id=user_id,
            address=address,
            device=device[:MAX_DEVICE],
            created_at=now,
            last_used_at=now,
        )
    )
    session.flush()
    return token


def find_by_token(session: Session, token: str, purpose: str) -> PersonSession | None:
    """The session of this token, ended or not."""
    return session.scalar(
        select(PersonSession).where(
            PersonSession.token_hash == _hash(token), PersonSession.purpose == purpose
        )
    )


def open_sessions_of(
    session: Session, user_id: str, purpose: str | None = None
) -> list[PersonSession]:
    """The user's sessions that were not ended, newest first; some may have expired."""
    asked = select(PersonSession).where(
        PersonSession.user_id == user_id, PersonSession.ended_at.is_(None)
    )
    if purpose is not None:
        asked = asked.where(PersonSession.purpose == purpose)
    return list(session.scalars(asked.order_by(PersonSession.created_at.desc(), PersonSession.id)))


def record_use(session: Session, session_id: uuid.UUID, now: datetime) -> bool:
    """Record a use of the session. False if it has ended meanwhile."""
    return _set(session, PersonSession.id == session_id, last_used_at=now) > 0


def end(session: Session, now: datetime, session_id: uuid.UUID, *, user_id: str) -> bool:
    """End one session of this user. False if there is none with this id, or it has ended."""
    own = (PersonSession.id == session_id) & (PersonSession.user_id == user_id)
    return _set(session, own, ended_at=now) > 0


def end_all(session: Session, now: datetime, user_id: str, *, but_at: Collection[str] = ()) -> int:
    """End all sessions of the user except those of the addresses `but_at`. Returns how many."""
    which = (PersonSession.user_id == user_id) & PersonSession.address.not_in(but_at)
    return _set(session, which, ended_at=now)


def end_at(session: Session, now: datetime, *, address: str, purpose: str) -> int:
    """End all sessions of this purpose that were opened with the address. Returns how many."""
    which = (PersonSession.address == address) & (PersonSession.purpose == purpose)
    return _set(session, which, ended_at=now)


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete sessions created before then. Returns how many."""
    return rows.delete(session, PersonSession, PersonSession.created_at < before, limit=limit)


def _set(session: Session, which: ColumnElement[bool], **values: datetime) -> int:
    return rows.update(session, PersonSession, which, PersonSession.ended_at.is_(None), **values)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
