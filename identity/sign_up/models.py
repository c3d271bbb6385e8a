"""Verification requests: an address, the browser that asked, and how far the proof has come."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Index,
    UniqueConstraint,
    cast,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base


class State(StrEnum):
    """Where a request stands in the table. That time ran out is seen from `expires_at`."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    USED = "used"


class VerificationRequest(Base):
    """One address asked for by one browser."""

    __tablename__ = "verification_requests"
    __table_args__ = (UniqueConstraint("browser", "ordinal"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str]
    browser: Mapped[str]  # SHA-256 of the browser id in the cookie
    browser_before: Mapped[str | None]  # the same of the cookie that its last proof renewed
    ordinal: Mapped[int]  # the browser's first, second, … request: its name in URLs
    language: Mapped[str]
    state: Mapped[str] = mapped_column(default=State.OPEN)
    homeserver: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    # When a mail was last asked for; None: never, another mail's code proved the mailbox here.
    asked_at: Mapped[datetime | None]
    # When the mail that serves it leaves or left; before `asked_at` if another browser had asked for it.
    mail_at: Mapped[datetime | None]
    device: Mapped[str] = mapped_column(default="", server_default="")  # the browser's family
    confirmed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    # "Not me", said with the code in another browser: the request is dead, but looks like before.
    refused_at: Mapped[datetime | None]
    refused_by: Mapped[str | None]  # the browser in which that was said


Index(
    "ix_verification_requests_address", VerificationRequest.address, VerificationRequest.created_at
)
Index("ix_verification_requests_browser_before", VerificationRequest.browser_before)


def find(session: Session, *, browser: str, ordinal: int) -> VerificationRequest | None:
    return session.scalars(
        select(VerificationRequest).where(
            VerificationRequest.browser == browser, VerificationRequest.ordinal == ordinal
        )
    ).one_or_none()


def latest_of(session: Session, *, browser: str, address: str) -> VerificationRequest | None:
    """The newest request of this browser for this address."""
    return session.scalars(
        select(VerificationRequest)
        .where(VerificationRequest.browser == browser, VerificationRequest.address == address)
        .order_by(VerificationRequest.ordinal.desc())
        .limit(1)
    ).one_or_none()


def just_confirmed(
    session: Session, *, browser_before: str, since: datetime
) -> list[VerificationRequest]:
    """What a browser has confirmed since then, known by the cookie that it had before; newest first."""
    return list(
        session.scalars(
            select(VerificationRequest)
            .where(
                VerificationRequest.browser_before == browser_before,
                VerificationRequest.state == State.CONFIRMED,
                VerificationRequest.confirmed_at >= since,
            )
            .order_by(VerificationRequest.confirmed_at.desc(), VerificationRequest.id)
        )
    )


def newest_for(session: Session, address: str) -> VerificationRequest | None:
    """The newest request for this address, whoever's browser made it."""
    return session.scalars(
        select(VerificationRequest)
        .where(VerificationRequest.address == address)
        .order_by(VerificationRequest.created_at.desc(), VerificationRequest.id)
        .limit(1)
    ).one_or_none()


def lock_browser(session: Session, browser: str) -> None:
    """Let one transaction at a time number the requests of a browser. On SQLite a writer is alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            select(func.pg_advisory_xact_lock(cast(func.hashtext(f"vr:{browser}"), BigInteger)))
        )


def next_ordinal(session: Session, browser: str) -> int:
    """Behind `lock_browser`, or two at once get the same."""
    highest = session.scalar(
        select(func.max(VerificationRequest.ordinal)).where(VerificationRequest.browser == browser)
    )
    return (highest or 0) + 1


def move(
    session: Session, request: VerificationRequest, *, source: State, to: State, **values: object
) -> bool:
    """Change the state if it is still `source`: of several at once, one wins and is told True."""
    won = session.scalar(
        update(VerificationRequest)
        .where(VerificationRequest.id == request.id, VerificationRequest.state == source)
        .values(state=to, **values)
        .returning(VerificationRequest.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(request)
    return won is not None


def use_up(session: Session, address: str) -> None:
    """An account stands: the proofs given of its address are used.

    A request that nobody confirmed stays as it is: its browser must not see that an account was made.
    """
    session.execute(
        update(VerificationRequest)
        .where(
            VerificationRequest.address == address,
            VerificationRequest.state == State.CONFIRMED,
        )
        .values(state=State.USED)
        .execution_options(synchronize_session=False)
    )


def was_confirmed_in(session: Session, *, browser: str, address: str) -> bool:
    """Whether this browser has proved the address before, as far as is remembered."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    VerificationRequest.browser == browser,
                    VerificationRequest.address == address,
                    VerificationRequest.confirmed_at.is_not(None),
                )
            )
        )
    )


def proved_in(session: Session, *, browser: str, address: str) -> VerificationRequest | None:
    """The newest request of this browser for this address that was confirmed, or has come to an account."""
    return session.scalars(
        select(VerificationRequest)
        .where(
            VerificationRequest.browser == browser,
            VerificationRequest.address == address,
            VerificationRequest.state.in_((State.CONFIRMED, State.USED)),
        )
        .order_by(VerificationRequest.ordinal.desc())
        .limit(1)
    ).one_or_none()


def asked_elsewhere(
    session: Session, address: str, *, browsers: Collection[str], now: datetime, limit: int
) -> list[VerificationRequest]:
    """The requests of other browsers for an address whose day is not over, newest first.

    What somebody's proof has made of them makes no difference; one given up by its own browser is none.
    """
    row = VerificationRequest
    given_up = (row.state == State.CANCELLED) & row.refused_at.is_(None)
    return list(
        session.scalars(
            select(row)
            .where(
                row.address == address,
                row.browser.not_in(browsers),
                row.asked_at.is_not(None),
                row.expires_at > now,
                ~given_up,
            )
            .order_by(row.created_at.desc(), row.id)
            .limit(limit)
        )
    )


def mail_comes_sooner(session: Session, address: str, *, was: datetime, is_now: datetime) -> None:
    """The mail that leaves `was` leaves at another moment: for all who were told so."""
    session.execute(
        update(VerificationRequest)
        .where(VerificationRequest.address == address, VerificationRequest.mail_at == was)
        .values(mail_at=is_now)
        .execution_options(synchronize_session="fetch")
    )


def newest_waiting(session: Session, address: str, now: datetime) -> VerificationRequest | None:
    """The newest request that a mail to this address could still serve."""
    row = VerificationRequest
    return session.scalars(
        select(row)
        .where(
            row.address == address,
            row.state == State.OPEN,
            row.refused_at.is_(None),
            row.expires_at > now,
        )
        .order_by(row.created_at.desc(), row.id)
        .limit(1)
    ).one_or_none()


def follow_browser(session: Session, *, old: str, new: str) -> None:
    """A renewed cookie: its requests go by the new name."""
    row = VerificationRequest
    for which, values in (
        (row.browser == old, {row.browser: new, row.browser_before: old}),
        (row.refused_by == old, {row.refused_by: new}),
    ):
        session.execute(
            update(row).where(which).values(values).execution_options(synchronize_session="fetch")
        )
