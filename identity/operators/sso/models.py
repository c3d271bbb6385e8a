"""The tables of signing in by an OpenID provider: what the worker read of it, and who was sent there."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.sealed_columns import SEALED


class SsoProvider(Base):
    """What an OpenID provider says of itself (OpenID Connect Discovery 1.0), as it was last read."""

    __tablename__ = "sso_providers"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # null: not read yet
    keys: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # a JWK set, public halves only
    read_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]  # a token named a key that is not there
    fault: Mapped[str]  # of the last try, in words; "": none


class Purpose(StrEnum):
    """Why somebody was sent to the provider."""

    SIGN_IN = "sign_in"
    AGAIN = "again"  # the second factor is asked once more
    SIGN_OUT = "sign_out"


class SsoState(Base):
    """One browser that was sent to the provider. It comes back once, within a few minutes."""

    __tablename__ = "sso_states"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    state_hash: Mapped[str] = mapped_column(unique=True)
    browser_hash: Mapped[str]  # of the token in a cookie of that browser
    purpose: Mapped[str]
    nonce: Mapped[str]
    sealed: Mapped[str] = mapped_column(info=SEALED)  # JSON, see `states.Kept`
    language: Mapped[str]
    session_id: Mapped[uuid.UUID | None]  # whose second factor is asked
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


Index("ix_sso_states_ends_at", SsoState.ends_at)


def find_provider(session: Session, issuer: str) -> SsoProvider | None:
    return session.get(SsoProvider, issuer)


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete the states that ended before then. Returns how many."""
    return rows.delete(session, SsoState, SsoState.ends_at < before, limit=limit)
