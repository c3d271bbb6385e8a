"""Sessions of people in their browsers: a random token in a cookie, its hash here, one row each, ended one by one."""

import hashlib
import secrets
import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base

TOKEN_BYTES = 32
MAX_DEVICE = 100  # characters


class PersonSession(Base):
    """One browser that is signed in to one part of the service, for one account and one address."""

    __tablename__ = "people_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    token_hash: Mapped[str] = mapped_column(
        unique=True
    )  # SHA-256; 256 random bits need no slow hash
    purpose: Mapped[str]  # what it opens, and nothing else
    user_id: Mapped[str] = mapped_column(index=True)
    address: Mapped[str]  # that was proved for it
    device: Mapped[str]  # the family of the browser, as the person knows it; may be empty
    created_at: Mapped[datetime] = mapped_column(index=True)
    last_used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


def add(
    session: Session, now: datetime, *, purpose: str, user_id: str, address: str, device: str
) -> str:
    """The token of a new session, told once."""
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


def of_token(session: Session, token: str, purpose: str) -> PersonSession | None:
    """The session of this token, ended or not."""
    return session.scalars(
        select(PersonSession).where(
            PersonSession.token_hash == _hash(token), PersonSession.purpose == purpose
        )
    ).one_or_none()


def open_of(session: Session, user_id: str, purpose: str | None = None) -> list[PersonSession]:
    """Those of the user that nobody has ended, the newest first; their time may be over all the same."""
    asked = select(PersonSession).where(
        PersonSession.user_id == user_id, PersonSession.ended_at.is_(None)
    )
    if purpose is not None:
        asked = asked.where(PersonSession.purpose == purpose)
    return list(session.scalars(asked.order_by(PersonSession.created_at.desc(), PersonSession.id)))


def note_use(session: Session, session_id: uuid.UUID, now: datetime) -> bool:
    """The token was shown. False: the session has ended meanwhile, and stays so."""
    return _set(session, PersonSession.id == session_id, last_used_at=now) > 0


def end(session: Session, now: datetime, session_id: uuid.UUID, *, user_id: str) -> bool:
    """End this one of this user's. False: there is none such, or it has ended."""
    own = (PersonSession.id == session_id) & (PersonSession.user_id == user_id)
    return _set(session, own, ended_at=now) > 0


def end_all(session: Session, now: datetime, user_id: str, *, but_at: Collection[str] = ()) -> int:
    """End every session of the user, but those for these addresses. How many."""
    which = (PersonSession.user_id == user_id) & PersonSession.address.not_in(but_at)
    return _set(session, which, ended_at=now)


def end_at(session: Session, now: datetime, *, address: str, purpose: str) -> int:
    """End every session to this part that was opened with the address. How many."""
    which = (PersonSession.address == address) & (PersonSession.purpose == purpose)
    return _set(session, which, ended_at=now)


def forget(session: Session, before: datetime) -> int:
    """Delete those begun before then. How many that were."""
    old = PersonSession.created_at < before
    count = session.scalar(select(func.count()).where(old)) or 0
    session.execute(delete(PersonSession).where(old))
    return count


def _set(session: Session, which: ColumnElement[bool], **values: datetime) -> int:
    changed = session.scalars(
        update(PersonSession)
        .where(which, PersonSession.ended_at.is_(None))
        .values(**values)
        .returning(PersonSession.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
