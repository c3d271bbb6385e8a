"""Attempts to create an account, and the sealed passwords on their way to the worker."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, false, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import TEXT


class AttemptState(StrEnum):
    """The stored state of an attempt; `attempts.status_of` adds the time limits."""

    JUDGING = "judging"  # claimed: the web judges the password
    WAITING = "waiting"  # handed over to the worker, with the sealed password
    CALLING = "calling"  # the worker took the password and calls the homeserver
    MADE = "made"
    TAKEN = "taken"  # the address has an account there that we did not create
    NAME_REFUSED = "name_refused"
    NOT_ALLOWED = "not_allowed"  # the rules or the invitation changed meanwhile
    AWAY = "away"  # the homeserver does not answer
    AGAIN = "again"  # no account was created and the password is gone: type it again


class AccountAttempt(Base):
    """The newest attempt of one confirmed request. Each has a new `id`, so old jobs do nothing."""

    __tablename__ = "account_attempts"

    request_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(unique=True)
    account_id: Mapped[uuid.UUID | None]
    homeserver: Mapped[str]
    display_name: Mapped[str] = mapped_column(info=TEXT)
    language: Mapped[str]
    state: Mapped[str]
    begun_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    # This attempt created the account or recognised its mark, so the account has its password.
    was_made: Mapped[bool] = mapped_column(default=False, server_default=false())


class TypedPassword(Base):
    """A password on its way to the worker: sealed, for one attempt, for a minute at most."""

    __tablename__ = "typed_passwords"

    attempt_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    sealed: Mapped[str]
    typed_at: Mapped[datetime] = mapped_column(index=True)


def find_by_request(session: Session, request_id: uuid.UUID) -> AccountAttempt | None:
    return session.get(AccountAttempt, request_id)


def find(session: Session, attempt_id: uuid.UUID) -> AccountAttempt | None:
    return session.scalar(select(AccountAttempt).where(AccountAttempt.id == attempt_id))


def begin(
    session: Session,
    before: AccountAttempt | None,
    *,
    request_id: uuid.UUID,
    **facts: object,
) -> uuid.UUID | None:
    """Insert a new attempt, or replace the one that ended; its id, None if another was faster."""
    new: dict[str, object] = {
        **facts,
        "id": uuid.uuid4(),
        "state": AttemptState.JUDGING,
        "account_id": None,
        "called_at": None,
        "was_made": False,
    }
    if before is None:
        won = inserting.insert_if_new(session, AccountAttempt, {"request_id": request_id, **new})
        return uuid.UUID(str(new["id"])) if won else None
    return session.scalar(
        update(AccountAttempt)
        .where(AccountAttempt.request_id == request_id, AccountAttempt.id == before.id)
        .values(**new)
        .returning(AccountAttempt.id)
        .execution_options(synchronize_session=False)
    )


def set_account(session: Session, attempt_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Store which account the attempt is about."""
    session.execute(
        update(AccountAttempt)
        .where(AccountAttempt.id == attempt_id)
        .values(account_id=account_id)
        .execution_options(synchronize_session="fetch")
    )


def mark_made(session: Session, attempt_id: uuid.UUID) -> None:
    """Set the column `was_made`."""
    rows.update(session, AccountAttempt, AccountAttempt.id == attempt_id, was_made=True)


def change_state(
    session: Session,
    attempt_id: uuid.UUID,
    *,
    source: AttemptState,
    to: AttemptState,
    **facts: object,
) -> bool:
    """Change the state if it is still `source`, and the attempt still the newest of its request."""
    won = session.scalar(
        update(AccountAttempt)
        .where(AccountAttempt.id == attempt_id, AccountAttempt.state == source)
        .values(state=to, **facts)
        .returning(AccountAttempt.id)
        .execution_options(synchronize_session="fetch")
    )
    return won is not None


def count_calls(session: Session, homeserver: str, since: datetime) -> int:
    """How many calls to a homeserver began after `since` and have not ended."""
    is_calling = AccountAttempt.state == AttemptState.CALLING
    return rows.count(
        session,
        AccountAttempt.homeserver == homeserver,
        is_calling,
        AccountAttempt.called_at > since,
    )


def is_needed(session: Session, account_id: uuid.UUID, *, but: uuid.UUID) -> bool:
    """Whether an attempt other than `but` that has not ended is about the account."""
    others = (AccountAttempt.account_id == account_id) & (AccountAttempt.id != but)
    unended = (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)
    return rows.is_any(session, others, AccountAttempt.state.in_(unended))


def store_password(session: Session, now: datetime, attempt_id: uuid.UUID, sealed: str) -> None:
    session.add(TypedPassword(attempt_id=attempt_id, sealed=sealed, typed_at=now))


def take_password(session: Session, attempt_id: uuid.UUID, since: datetime) -> str | None:
    """Delete and return the sealed password, for one caller only. None if typed before `since`."""
    taken = session.execute(
        delete(TypedPassword)
        .where(TypedPassword.attempt_id == attempt_id)
        .returning(TypedPassword.sealed, TypedPassword.typed_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return taken.sealed if taken is not None and taken.typed_at > since else None


def delete_passwords(session: Session, before: datetime) -> int:
    """Delete passwords typed before then and never taken. Returns how many."""
    return rows.delete(session, TypedPassword, TypedPassword.typed_at <= before)


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete attempts that began before then. Returns how many."""
    return rows.delete(session, AccountAttempt, AccountAttempt.begun_at < before, limit=limit)
