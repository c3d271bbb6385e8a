"""Verification requests: an address, the browser that asked, and how far the proof has come."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, UniqueConstraint, cast, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from .database import Base


class State(StrEnum):
    """Where a request stands in the table. That time ran out is seen from `expires_at`."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    USED = "used"


class Reality(StrEnum):
    """What the mailbox is told; the web never shows it (R2)."""

    VERIFY = "verify"
    EXISTS = "exists"
    NONE = "none"


class VerificationRequest(Base):
    """One address asked for by one browser."""

    __tablename__ = "verification_requests"
    __table_args__ = (UniqueConstraint("browser", "ordinal"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str]
    browser: Mapped[str]  # SHA-256 of the browser id in the cookie
    ordinal: Mapped[int]  # the browser's first, second, … request: its name in URLs
    language: Mapped[str]
    reality: Mapped[str]
    state: Mapped[str] = mapped_column(default=State.OPEN)
    homeserver: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    asked_at: Mapped[datetime]  # when a mail was last asked for
    confirmed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    code_generation: Mapped[int] = mapped_column(default=1)
    code_made_at: Mapped[datetime]
    tries_left: Mapped[int]  # of this generation
    wrong_tries: Mapped[int] = mapped_column(default=0)  # of all generations


Index(
    "ix_verification_requests_address", VerificationRequest.address, VerificationRequest.created_at
)


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


def spend_try(session: Session, request: VerificationRequest) -> int | None:
    """Take one try of the code in force. The tries left after it; None if there was none to take.

    One statement, counted in the database: fifty at once take five between them.
    """
    return session.scalar(
        update(VerificationRequest)
        .where(
            VerificationRequest.id == request.id,
            VerificationRequest.state.in_((State.OPEN, State.CONFIRMED, State.CANCELLED)),
            VerificationRequest.tries_left > 0,
            VerificationRequest.code_generation == request.code_generation,
        )
        .values(
            tries_left=VerificationRequest.tries_left - 1,
            wrong_tries=VerificationRequest.wrong_tries + 1,
        )
        .returning(VerificationRequest.tries_left)
        .execution_options(synchronize_session=False)
    )


def give_try_back(session: Session, request: VerificationRequest) -> None:
    """The try was right: it counts against nobody."""
    session.execute(
        update(VerificationRequest)
        .where(VerificationRequest.id == request.id)
        .values(
            tries_left=VerificationRequest.tries_left + 1,
            wrong_tries=VerificationRequest.wrong_tries - 1,
        )
        .execution_options(synchronize_session=False)
    )


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
    """An account stands: every proof of its address is used."""
    session.execute(
        update(VerificationRequest)
        .where(
            VerificationRequest.address == address,
            VerificationRequest.state.in_((State.OPEN, State.CONFIRMED)),
        )
        .values(state=State.USED)
        .execution_options(synchronize_session=False)
    )


def wrong_tries_since(session: Session, address: str, since: datetime) -> int:
    """Wrong codes typed for an address, over all browsers."""
    return (
        session.scalar(
            select(func.sum(VerificationRequest.wrong_tries)).where(
                VerificationRequest.address == address, VerificationRequest.created_at > since
            )
        )
        or 0
    )


def follow_browser(session: Session, *, old: str, new: str) -> None:
    session.execute(
        update(VerificationRequest)
        .where(VerificationRequest.browser == old)
        .values(browser=new)
        .execution_options(synchronize_session="fetch")
    )
