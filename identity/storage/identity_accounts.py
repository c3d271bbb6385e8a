"""Who may ask us: Matrix users by the tokens we gave them, and the terms they have accepted."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting
from .database import Base


class AccessToken(Base):
    """One token of one user. Only its hash is kept."""

    __tablename__ = "identity_tokens"

    token_hash: Mapped[str] = mapped_column(primary_key=True)  # SHA-256
    user_id: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]


class AcceptedTerms(Base):
    """A user accepted what stands at this URL."""

    __tablename__ = "accepted_terms"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(primary_key=True)
    accepted_at: Mapped[datetime]


@dataclass(frozen=True)
class IdentityAccount:
    """Whoever holds a good token."""

    user_id: str
    token_hash: str = field(repr=False)

    @property
    def homeserver(self) -> str:
        """The server name of the user ID."""
        return self.user_id.partition(":")[2]


def issue(session: Session, now: datetime, *, user_id: str) -> str:
    """A new token, told once. 256 random bits need no slow hash."""
    token = secrets.token_urlsafe(32)
    session.add(AccessToken(token_hash=_hash(token), user_id=user_id, created_at=now))
    return token


def of_token(session: Session, token: str) -> IdentityAccount | None:
    row = session.get(AccessToken, _hash(token))
    return IdentityAccount(row.user_id, row.token_hash) if row else None


def end(session: Session, account: IdentityAccount) -> None:
    """This token opens nothing any more; others of the user do."""
    session.execute(delete(AccessToken).where(AccessToken.token_hash == account.token_hash))


def accepted_urls(session: Session, user_id: str) -> set[str]:
    return set(session.scalars(select(AcceptedTerms.url).where(AcceptedTerms.user_id == user_id)))


def accept(session: Session, now: datetime, *, user_id: str, urls: Collection[str]) -> None:
    """These as well; what was accepted before stays so."""
    inserting.several(
        session,
        AcceptedTerms,
        [{"user_id": user_id, "url": url, "accepted_at": now} for url in urls],
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
