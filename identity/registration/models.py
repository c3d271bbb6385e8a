"""Accounts asked for on the last page of a sign-up, each made by the worker, and the passwords typed for them."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, false, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base


class AttemptState(StrEnum):
    """How far it has come; the pages say the rest from its times."""

    JUDGING = "judging"  # claimed: the web looks at the password
    WAITING = "waiting"  # handed over to the worker, with the sealed password
    CALLING = "calling"  # the worker took the password and asks the homeserver
    MADE = "made"
    TAKEN = "taken"  # the address has an account there that is not ours
    NAME_REFUSED = "name_refused"
    NOT_ALLOWED = "not_allowed"  # the rules or the invitation changed meanwhile
    AWAY = "away"  # the homeserver does not answer
    AGAIN = "again"  # the password is gone and no account stands: it has to be typed again


class AccountAttempt(Base):
    """The newest attempt of one confirmed request. `id` changes with each: an old job finds nothing to do."""

    __tablename__ = "account_attempts"

    request_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(unique=True)
    account_id: Mapped[uuid.UUID | None]
    homeserver: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    state: Mapped[str]
    begun_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    # This attempt had the account made, or knew it by its mark: what stands there has its password.
    was_made: Mapped[bool] = mapped_column(default=False, server_default=false())


class TypedPassword(Base):
    """A password on its way to the worker: sealed to it, for one attempt, for a minute at most."""

    __tablename__ = "typed_passwords"

    attempt_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    sealed: Mapped[str]
    typed_at: Mapped[datetime] = mapped_column(index=True)


def of_request(session: Session, request_id: uuid.UUID) -> AccountAttempt | None:
    return session.get(AccountAttempt, request_id)


def find(session: Session, attempt_id: uuid.UUID) -> AccountAttempt | None:
    return session.scalars(
        select(AccountAttempt).where(AccountAttempt.id == attempt_id)
    ).one_or_none()


def begin(
    session: Session,
    before: AccountAttempt | None,
    *,
    request_id: uuid.UUID,
    **facts: object,
) -> uuid.UUID | None:
    """Claim the request for a new attempt, in place of the one that ended. None: another one was faster."""
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


def belongs_to(session: Session, attempt_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """The attempt is about this account."""
    session.execute(
        update(AccountAttempt)
        .where(AccountAttempt.id == attempt_id)
        .values(account_id=account_id)
        .execution_options(synchronize_session="fetch")
    )


def was_made(session: Session, attempt_id: uuid.UUID) -> None:
    """See the column."""
    session.execute(
        update(AccountAttempt)
        .where(AccountAttempt.id == attempt_id)
        .values(was_made=True)
        .execution_options(synchronize_session=False)
    )


def move(
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


def calling(session: Session, homeserver: str, since: datetime) -> int:
    """How many calls to a homeserver began since then and have not ended."""
    return (
        session.scalar(
            select(func.count())
            .select_from(AccountAttempt)
            .where(
                AccountAttempt.homeserver == homeserver,
                AccountAttempt.state == AttemptState.CALLING,
                AccountAttempt.called_at > since,
            )
        )
        or 0
    )


def is_needed(session: Session, account_id: uuid.UUID, *, but: uuid.UUID) -> bool:
    """Whether an attempt other than this one is about the account, as far as it is known."""
    return (
        session.scalar(
            select(AccountAttempt.id)
            .where(
                AccountAttempt.account_id == account_id,
                AccountAttempt.id != but,
                AccountAttempt.state.in_(
                    (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)
                ),
            )
            .limit(1)
        )
        is not None
    )


def keep_password(session: Session, now: datetime, attempt_id: uuid.UUID, sealed: str) -> None:
    session.add(TypedPassword(attempt_id=attempt_id, sealed=sealed, typed_at=now))


def take_password(session: Session, attempt_id: uuid.UUID, since: datetime) -> str | None:
    """The sealed password, deleted in the same statement: of several one gets it. None if it is too old."""
    taken = session.execute(
        delete(TypedPassword)
        .where(TypedPassword.attempt_id == attempt_id)
        .returning(TypedPassword.sealed, TypedPassword.typed_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return taken.sealed if taken is not None and taken.typed_at > since else None


def delete_passwords(session: Session, before: datetime) -> int:
    """Delete what was typed before then and never taken. How many that were."""
    gone = session.scalars(
        delete(TypedPassword)
        .where(TypedPassword.typed_at <= before)
        .returning(TypedPassword.attempt_id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


def forget(session: Session, before: datetime) -> int:
    """Delete attempts that began before then. How many that were."""
    gone = session.scalars(
        delete(AccountAttempt)
        .where(AccountAttempt.begun_at < before)
        .returning(AccountAttempt.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
