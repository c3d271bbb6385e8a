"""Access tokens of the Identity Service API, and the terms that users have accepted."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.node_epoch import DELETE_ENDS
from identity.core.personal_data import USER_ID
from identity.mail import models as mails

UNUSED = timedelta(days=90)  # after which an unused token expires
LIFETIME = timedelta(days=365)  # of a token at most; clients get another by themselves
RECORD_EVERY = timedelta(hours=1)  # a use is recorded no more often
# An OpenID token of a homeserver stays valid after the account ends: in Synapse, for an hour.
OPENID_LIFETIME = timedelta(hours=2)


class AccessToken(Base):
    """One token of one user. Only its hash is stored; a token that ends is deleted."""

    __tablename__ = "identity_tokens"
    __table_args__ = DELETE_ENDS

    token_hash: Mapped[str] = mapped_column(primary_key=True)  # SHA-256
    user_id: Mapped[str] = mapped_column(index=True, info=USER_ID)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # null: never used


class EndedAccount(Base):
    """An account that ended lately: OpenID tokens issued before that are refused."""

    __tablename__ = "ended_accounts"

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    ended_at: Mapped[datetime] = mapped_column(index=True)


class AcceptedTerms(Base):
    """A user has accepted the text at this URL."""

    __tablename__ = "accepted_terms"
    __table_args__ = DELETE_ENDS

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    url: Mapped[str] = mapped_column(primary_key=True)
    accepted_at: Mapped[datetime]


@dataclass(frozen=True)
class IdentityAccount:
    """The account of a valid token."""

    user_id: str
    token_hash: str = field(repr=False)
    used_at: datetime  # the last recorded use
    ends_at: datetime  # by time, if it is not used again

    @property
    def homeserver(self) -> str:
        """The server name of the user ID."""
        return self.user_id.partition(":")[2]


def issue(session: Session, now: datetime, *, user_id: str) -> str:
    """Issue a token; only its hash is stored. 256 random bits need no slow hash."""
    token = secrets.token_urlsafe(32)
    session.add(AccessToken(token_hash=hash_of(token), user_id=user_id, created_at=now))
    return token


def account_of(
    user_id: str, token_hash: str, created_at: datetime, last_used_at: datetime | None
) -> IdentityAccount:
    """The account of a stored token."""
    used_at = last_used_at or created_at
    ends_at = min(created_at + LIFETIME, used_at + UNUSED)
    return IdentityAccount(user_id, token_hash, used_at, ends_at)


def record_use(session: Session, account: IdentityAccount, now: datetime) -> None:
    """Record a use of the token."""
    session.execute(
        update(AccessToken)
        .where(AccessToken.token_hash == account.token_hash)
        .values(last_used_at=now)
    )


def is_use_to_be_recorded(account: IdentityAccount, now: datetime) -> bool:
    """Whether the last recorded use is old enough to record another."""
    return now >= account.used_at + RECORD_EVERY


def end(session: Session, account: IdentityAccount) -> None:
    """Delete this token; other tokens of the user stay."""
    session.execute(delete(AccessToken).where(AccessToken.token_hash == account.token_hash))


def end_all(session: Session, user_id: str) -> int:
    """Delete all tokens of this user. Returns how many."""
    gone = session.execute(delete(AccessToken).where(AccessToken.user_id == user_id))
    return cast("CursorResult[Any]", gone).rowcount


def lock(session: Session, user_id: str) -> None:
    """Lock the account until the transaction ends, so that no token is issued while it ends."""
    mails.lock_address(session, user_id)


def record_end(session: Session, now: datetime, user_id: str) -> None:
    """Record that the account has ended."""
    statement = inserting.insert_statement(session, EndedAccount).values(
        user_id=user_id, ended_at=now
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["user_id"], set_={"ended_at": now})
    )


def record_return(session: Session, user_id: str) -> None:
    """Delete the record that the account has ended: it is active again."""
    session.execute(delete(EndedAccount).where(EndedAccount.user_id == user_id))


def has_ended(session: Session, user_id: str, now: datetime) -> bool:
    """Whether the account ended so lately that its homeserver may still vouch for it."""
    row = session.get(EndedAccount, user_id)
    return row is not None and now < row.ended_at + OPENID_LIFETIME


def forget(session: Session, now: datetime, *, limit: int) -> int:
    """Delete expired tokens, at most so many. Returns how many."""
    return rows.delete(session, AccessToken, _is_over(now), limit=limit)


def forget_ended(session: Session, now: datetime, *, limit: int) -> int:
    """Delete outdated records of ended accounts, at most so many. Returns how many."""
    old = EndedAccount.ended_at <= now - OPENID_LIFETIME
    return rows.delete(session, EndedAccount, old, limit=limit)


def count_tokens(session: Session, user_id: str, now: datetime) -> int:
    """How many valid tokens the user has."""
    good = (AccessToken.user_id == user_id) & ~_is_over(now)
    return rows.count(session, good)


def accepted_urls(session: Session, user_id: str) -> set[str]:
    return set(session.scalars(select(AcceptedTerms.url).where(AcceptedTerms.user_id == user_id)))


def accept(session: Session, now: datetime, *, user_id: str, urls: Collection[str]) -> None:
    """Add these URLs to those the user has accepted."""
    inserting.insert_missing(
        session,
        AcceptedTerms,
        [{"user_id": user_id, "url": url, "accepted_at": now} for url in urls],
    )


def _is_over(now: datetime) -> ColumnElement[bool]:
    used_at = func.coalesce(AccessToken.last_used_at, AccessToken.created_at)
    return (AccessToken.created_at <= now - LIFETIME) | (used_at <= now - UNUSED)


def hash_of(token: str) -> str:
    """The hash under which a token is stored."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
