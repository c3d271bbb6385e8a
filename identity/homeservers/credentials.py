"""Homeserver credentials: bearer tokens with which a homeserver calls Guichet, stored as hashes."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, ForeignKey, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base


class HomeserverCredential(Base):
    """One token of one homeserver. During a rotation two are valid."""

    __tablename__ = "homeserver_credentials"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    homeserver: Mapped[str] = mapped_column(ForeignKey("homeservers.name"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256
    created_at: Mapped[datetime]
    retires_at: Mapped[datetime | None]


def issue(session: Session, now: datetime, *, homeserver: str) -> str:
    """Make a new token and store its hash. 256 random bits need no slow hash."""
    token = f"guichet_{secrets.token_urlsafe(32)}"
    session.add(
        HomeserverCredential(homeserver=homeserver, token_hash=_hash(token), created_at=now)
    )
    return token


def retire(session: Session, *, homeserver: str, at: datetime) -> int:
    """Limit all tokens of this homeserver to this time. Return how many were valid longer."""
    ending = session.execute(
        update(HomeserverCredential)
        .where(
            HomeserverCredential.homeserver == homeserver,
            or_(HomeserverCredential.retires_at.is_(None), HomeserverCredential.retires_at > at),
        )
        .values(retires_at=at)
    )
    return cast("CursorResult[Any]", ending).rowcount


def homeserver_of(session: Session, token: str, now: datetime) -> str | None:
    """The homeserver a valid token belongs to, or None."""
    return session.scalar(
        select(HomeserverCredential.homeserver).where(
            HomeserverCredential.token_hash == _hash(token),
            is_valid(now),
        )
    )


def hashes_of(session: Session, homeserver: str, now: datetime) -> Sequence[str]:
    """The hashes of this homeserver's valid tokens, to check the proof in its module's answers."""
    return session.scalars(
        select(HomeserverCredential.token_hash).where(
            HomeserverCredential.homeserver == homeserver,
            is_valid(now),
        )
    ).all()


def is_valid(now: datetime) -> ColumnElement[bool]:
    """SQL condition: the token is not retired yet."""
    row = HomeserverCredential
    return or_(row.retires_at.is_(None), row.retires_at > now)


def find_older(session: Session, now: datetime, before: datetime) -> Sequence[str]:
    """The homeservers with a valid credential whose newest one was issued before then, by name."""
    row = HomeserverCredential
    newest = (
        select(row.homeserver)
        .where(or_(row.retires_at.is_(None), row.retires_at > now))
        .group_by(row.homeserver)
        .having(func.max(row.created_at) < before)
    )
    return session.scalars(newest.order_by(row.homeserver)).all()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
