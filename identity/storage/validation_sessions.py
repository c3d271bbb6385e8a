"""Validation sessions: an address a Matrix client wants proved, and how far the proof has come."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Index, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from .database import Base


class ValidationSession(Base):
    """One address asked about by one client. Its `sid` is the id, in hexadecimal digits."""

    __tablename__ = "validation_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str]
    secret_hash: Mapped[str]  # SHA-256 of the client_secret
    # For brands whose mail carries the link of the specification, which holds the secret itself.
    sealed_secret: Mapped[str]
    user_id: Mapped[str]  # who asked
    device: Mapped[str]  # the client's family, as far as it says; the page shows it
    language: Mapped[str]
    send_attempt: Mapped[int] = mapped_column(BigInteger)  # the highest seen
    next_link: Mapped[str | None]
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime]  # when a mail was last asked for
    validated_at: Mapped[datetime | None]

    @property
    def sid(self) -> str:
        return self.id.hex


Index("ix_validation_sessions_address", ValidationSession.address, ValidationSession.created_at)
Index("ix_validation_sessions_user", ValidationSession.user_id, ValidationSession.created_at)


def latest_of(session: Session, *, address: str, secret_hash: str) -> ValidationSession | None:
    """The newest session of this client for this address."""
    return session.scalars(
        select(ValidationSession)
        .where(ValidationSession.address == address, ValidationSession.secret_hash == secret_hash)
        .order_by(ValidationSession.created_at.desc())
        .limit(1)
    ).one_or_none()


def find(session: Session, session_id: uuid.UUID) -> ValidationSession | None:
    return session.get(ValidationSession, session_id)


def opened_times(session: Session, user_id: str, since: datetime) -> list[datetime]:
    """When this account opened sessions; oldest first."""
    return list(
        session.scalars(
            select(ValidationSession.created_at)
            .where(ValidationSession.user_id == user_id, ValidationSession.created_at > since)
            .order_by(ValidationSession.created_at)
        )
    )


def validate(session: Session, asked: ValidationSession, now: datetime) -> None:
    """The address is proved. The first moment stays: later ones must not lengthen the window."""
    session.execute(
        update(ValidationSession)
        .where(ValidationSession.id == asked.id, ValidationSession.validated_at.is_(None))
        .values(validated_at=now)
        .execution_options(synchronize_session=False)
    )
    session.refresh(asked)
