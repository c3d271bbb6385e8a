"""Verification requests: one row for each address typed in one browser, and its state."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Index,
    UniqueConstraint,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows, tracing
from identity.core.address_domains import domain_of, name_of
from identity.core.database import Base
from identity.core.personal_data import ADDRESS


class State(StrEnum):
    """The stored state of a request. Whether it has expired is computed from `expires_at`."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    USED = "used"


class VerificationRequest(Base):
    """One request: an address, the browser it was typed in, and whether it was verified."""

    __tablename__ = "verification_requests"
    __table_args__ = (UniqueConstraint("browser", "ordinal"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(info=ADDRESS)
    browser: Mapped[str]  # SHA-256 of the browser id in the cookie
    browser_before: Mapped[str | None]  # the same, of its cookie before the last verification
    ordinal: Mapped[int]  # the browser's first, second, … request: its name in URLs
    language: Mapped[str]
    state: Mapped[str] = mapped_column(default=State.OPEN)
    homeserver: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    # When a mail was last requested; None: never, the mailbox was verified by another mail's code.
    asked_at: Mapped[datetime | None]
    # When the mail that serves it leaves or left; before `asked_at` if it was ordered earlier by
    # another browser's request.
    mail_at: Mapped[datetime | None]
    device: Mapped[str] = mapped_column(default="", server_default="")  # the browser's family
    confirmed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    # When "not me" was said with the code in another browser. The request is over, but its own
    # browser is not told.
    refused_at: Mapped[datetime | None]
    refused_by: Mapped[str | None]  # the browser in which that was said
    # The id of the HTTP request that made it: the log calls all that follows by it.
    trace_id: Mapped[str | None] = mapped_column(default=tracing.trace_id)


Index(
    "ix_verification_requests_address", VerificationRequest.address, VerificationRequest.created_at
)
Index(
    "ix_verification_requests_domain",
    domain_of(VerificationRequest.address),
    VerificationRequest.created_at,
    VerificationRequest.id,
)
Index("ix_verification_requests_name", name_of(VerificationRequest.address))
Index("ix_verification_requests_browser_before", VerificationRequest.browser_before)


def find(session: Session, *, browser: str, ordinal: int) -> VerificationRequest | None:
    return session.scalar(
        select(VerificationRequest).where(
            VerificationRequest.browser == browser, VerificationRequest.ordinal == ordinal
        )
    )


def find_all(session: Session, ids: Collection[uuid.UUID]) -> Sequence[VerificationRequest]:
    """Those of these requests that are there."""
    return session.scalars(select(VerificationRequest).where(VerificationRequest.id.in_(ids))).all()


def latest_of(session: Session, *, browser: str, address: str) -> VerificationRequest | None:
    """The newest request of this browser for this address."""
    return session.scalar(
        select(VerificationRequest)
        .where(VerificationRequest.browser == browser, VerificationRequest.address == address)
        .order_by(VerificationRequest.ordinal.desc())
        .limit(1)
    )


def find_just_confirmed(
    session: Session, *, browser_before: str, since: datetime
) -> Sequence[VerificationRequest]:
    """The requests confirmed since then in the browser that had this cookie before; newest first.

    `browser_before`: the hash of the cookie before its renewal.
    """
    return session.scalars(
        select(VerificationRequest)
        .where(
            VerificationRequest.browser_before == browser_before,
            VerificationRequest.state == State.CONFIRMED,
            VerificationRequest.confirmed_at >= since,
        )
        .order_by(VerificationRequest.confirmed_at.desc(), VerificationRequest.id)
    ).all()


def find_newest(session: Session, address: str) -> VerificationRequest | None:
    """The newest request for this address, of any browser."""
    return session.scalar(
        select(VerificationRequest)
        .where(VerificationRequest.address == address)
        .order_by(VerificationRequest.created_at.desc(), VerificationRequest.id)
        .limit(1)
    )


def find_languages(session: Session, addresses: Collection[str]) -> dict[str, str]:
    """For each of these addresses that asked: the language of its newest request."""
    found = session.execute(
        select(VerificationRequest.address, VerificationRequest.language)
        .where(VerificationRequest.address.in_(addresses))
        .order_by(VerificationRequest.created_at, VerificationRequest.id.desc())
    )
    return dict(found.all())


def lock_browser(session: Session, browser: str) -> None:
    """Let one transaction at a time number the requests of a browser, until it ends.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            select(func.pg_advisory_xact_lock(cast(func.hashtext(f"vr:{browser}"), BigInteger)))
        )


def next_ordinal(session: Session, browser: str) -> int:
    """The next free ordinal of this browser. Call `lock_browser` first."""
    highest = session.scalar(
        select(func.max(VerificationRequest.ordinal)).where(VerificationRequest.browser == browser)
    )
    return (highest or 0) + 1


def change_state(
    session: Session, request: VerificationRequest, *, source: State, to: State, **values: object
) -> bool:
    """Change the state if it is still `source`. Of several concurrent callers one gets True."""
    own = (VerificationRequest.id == request.id) & (VerificationRequest.state == source)
    changed = rows.update(session, VerificationRequest, own, state=to, **values)
    session.refresh(request)
    return changed > 0


def mark_used(session: Session, address: str) -> None:
    """Mark the confirmed requests for this address as used: the account has been created.

    Unconfirmed requests stay as they are, since their browsers must not learn of the account.
    """
    row = VerificationRequest
    rows.update(
        session, row, row.address == address, row.state == State.CONFIRMED, state=State.USED
    )


def was_confirmed_in(session: Session, *, browser: str, address: str) -> bool:
    """Whether this browser has verified the address before, in a request that is still stored."""
    row = VerificationRequest
    own = (row.browser == browser) & (row.address == address)
    return rows.is_any(session, own, row.confirmed_at.is_not(None))


def find_verified(session: Session, *, browser: str, address: str) -> VerificationRequest | None:
    """The newest request of this browser for this address that is confirmed or used."""
    return session.scalar(
        select(VerificationRequest)
        .where(
            VerificationRequest.browser == browser,
            VerificationRequest.address == address,
            VerificationRequest.state.in_((State.CONFIRMED, State.USED)),
        )
        .order_by(VerificationRequest.ordinal.desc())
        .limit(1)
    )


def find_elsewhere(
    session: Session, address: str, *, browsers: Collection[str], now: datetime, limit: int
) -> Sequence[VerificationRequest]:
    """The unexpired requests of other browsers for an address, newest first.

    Verified ones count like the others; those cancelled in their own browser do not.
    """
    row = VerificationRequest
    is_cancelled = (row.state == State.CANCELLED) & row.refused_at.is_(None)
    return session.scalars(
        select(row)
        .where(
            row.address == address,
            row.browser.not_in(browsers),
            row.asked_at.is_not(None),
            row.expires_at > now,
            ~is_cancelled,
        )
        .order_by(row.created_at.desc(), row.id)
        .limit(limit)
    ).all()


def record_moved_mail(session: Session, address: str, *, was: datetime, is_now: datetime) -> None:
    """Update the requests served by the mail that was to leave at `was` and leaves at `is_now`."""
    session.execute(
        update(VerificationRequest)
        .where(VerificationRequest.address == address, VerificationRequest.mail_at == was)
        .values(mail_at=is_now)
        .execution_options(synchronize_session="fetch")
    )


def find_newest_waiting(
    session: Session, address: str, now: datetime
) -> VerificationRequest | None:
    """The newest open request for this address; None if no mail is needed any more."""
    row = VerificationRequest
    return session.scalar(
        select(row)
        .where(
            row.address == address,
            row.state == State.OPEN,
            row.refused_at.is_(None),
            row.expires_at > now,
        )
        .order_by(row.created_at.desc(), row.id)
        .limit(1)
    )


def rename_browser(session: Session, *, old: str, new: str) -> None:
    """Store the new hash of a browser whose cookie was renewed."""
    row = VerificationRequest
    for which, values in (
        (row.browser == old, {row.browser: new, row.browser_before: old}),
        (row.refused_by == old, {row.refused_by: new}),
    ):
        session.execute(
            update(row).where(which).values(values).execution_options(synchronize_session="fetch")
        )
