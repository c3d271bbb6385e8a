"""Who may ask us: Matrix users by the tokens we gave them, and the terms they have accepted."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base
from identity.mail import models as mails

UNUSED = timedelta(days=90)  # after which a token that nobody shows has ended
LIFETIME = timedelta(days=365)  # at most; clients get another by themselves
NOTED_EVERY = timedelta(hours=1)  # a use is written down no oftener
# A homeserver's OpenID token outlives the account it was made for: an hour, where that is Synapse.
OPENID_LIFETIME = timedelta(hours=2)


class AccessToken(Base):
    """One token of one user. Only its hash is kept; one that was ended is no more."""

    __tablename__ = "identity_tokens"

    token_hash: Mapped[str] = mapped_column(primary_key=True)  # SHA-256
    user_id: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # null: not since it was made


class EndedAccount(Base):
    """Whose account ended lately, so that what its homeserver gave out before opens nothing new."""

    __tablename__ = "ended_accounts"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(index=True)


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
    used_at: datetime  # as it is written down

    @property
    def homeserver(self) -> str:
        """The server name of the user ID."""
        return self.user_id.partition(":")[2]


def issue(session: Session, now: datetime, *, user_id: str) -> str:
    """A new token, told once. 256 random bits need no slow hash."""
    token = secrets.token_urlsafe(32)
    session.add(AccessToken(token_hash=_hash(token), user_id=user_id, created_at=now))
    return token


def of_token(session: Session, token: str, now: datetime) -> IdentityAccount | None:
    """Whose token this is, as long as it is good. Nothing is kept in memory: what is ended is so everywhere at once."""
    row = session.get(AccessToken, _hash(token))
    if row is None:
        return None
    used_at = row.last_used_at or row.created_at
    if now >= min(row.created_at + LIFETIME, used_at + UNUSED):
        return None
    return IdentityAccount(row.user_id, row.token_hash, used_at)


def note_use(session: Session, account: IdentityAccount, now: datetime) -> None:
    """The token was shown."""
    session.execute(
        update(AccessToken)
        .where(AccessToken.token_hash == account.token_hash)
        .values(last_used_at=now)
    )


def is_to_be_noted(account: IdentityAccount, now: datetime) -> bool:
    """Whether the use written down is old enough to be replaced."""
    return now >= account.used_at + NOTED_EVERY


def end(session: Session, account: IdentityAccount) -> None:
    """This token opens nothing any more; others of the user do."""
    session.execute(delete(AccessToken).where(AccessToken.token_hash == account.token_hash))


def end_all(session: Session, user_id: str) -> int:
    """No token of this user opens anything any more. How many there were."""
    gone = session.execute(delete(AccessToken).where(AccessToken.user_id == user_id))
    return cast("CursorResult[Any]", gone).rowcount


def lock(session: Session, user_id: str) -> None:
    """One at a time: a token is not made while the account ends."""
    mails.lock_address(session, user_id)


def note_end(session: Session, now: datetime, user_id: str) -> None:
    """The account has ended."""
    statement = inserting.insert(session, EndedAccount).values(user_id=user_id, ended_at=now)
    session.execute(
        statement.on_conflict_do_update(index_elements=["user_id"], set_={"ended_at": now})
    )


def note_return(session: Session, user_id: str) -> None:
    """The account is there again."""
    session.execute(delete(EndedAccount).where(EndedAccount.user_id == user_id))


def has_ended(session: Session, user_id: str, now: datetime) -> bool:
    """Whether the account ended so lately that its homeserver may still vouch for it."""
    row = session.get(EndedAccount, user_id)
    return row is not None and now < row.ended_at + OPENID_LIFETIME


def forget(session: Session, now: datetime) -> int:
    """Delete the tokens whose time is over, and the ends that no longer matter. How many tokens."""
    session.execute(delete(EndedAccount).where(EndedAccount.ended_at <= now - OPENID_LIFETIME))
    gone = session.execute(delete(AccessToken).where(_is_over(now)))
    return cast("CursorResult[Any]", gone).rowcount


def count_of(session: Session, user_id: str, now: datetime) -> int:
    """How many good tokens the user has."""
    good = (AccessToken.user_id == user_id) & ~_is_over(now)
    return session.scalar(select(func.count()).where(good)) or 0


def accepted_urls(session: Session, user_id: str) -> set[str]:
    return set(session.scalars(select(AcceptedTerms.url).where(AcceptedTerms.user_id == user_id)))


def accept(session: Session, now: datetime, *, user_id: str, urls: Collection[str]) -> None:
    """These as well; what was accepted before stays so."""
    inserting.several(
        session,
        AcceptedTerms,
        [{"user_id": user_id, "url": url, "accepted_at": now} for url in urls],
    )


def _is_over(now: datetime) -> ColumnElement[bool]:
    used_at = func.coalesce(AccessToken.last_used_at, AccessToken.created_at)
    return (AccessToken.created_at <= now - LIFETIME) | (used_at <= now - UNUSED)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
