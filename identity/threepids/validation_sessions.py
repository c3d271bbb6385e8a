"""Validation sessions of the Identity Service API: an address, a client, and its validation."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Index, func, select
from sqlalchemy.orm import Mapped, Session, column_property, declared_attr, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, TEXT, USER_ID
from identity.core.sealing import SEALED
from identity.mail.models import Mail
from identity.mail.quota import Template


class ValidationSession(Base):
    """A client's validation of one address. The `sid` is the id in hexadecimal digits."""

    __tablename__ = "validation_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(info=ADDRESS)
    secret_hash: Mapped[str]  # SHA-256 of the client_secret
    # For brands whose mail has the specification's link, which contains the secret.
    sealed_secret: Mapped[str] = mapped_column(info=SEALED)
    user_id: Mapped[str] = mapped_column(info=USER_ID)  # who requested it
    device: Mapped[str]  # the client's family, which the page shows; may be empty
    language: Mapped[str]
    send_attempt: Mapped[int] = mapped_column(BigInteger)  # the highest seen
    next_link: Mapped[str | None] = mapped_column(info=TEXT)
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime]  # when a mail was last requested
    validated_at: Mapped[datetime | None]

    @declared_attr
    @classmethod
    def waited_until(cls) -> Mapped[datetime | None]:
        """When the last mail that had to wait left or will leave; None if none had to."""
        return column_property(
            select(func.max(Mail.due_at))
            .where(
                Mail.address == cls.address,
                Mail.subject_id == cls.id,
                Mail.template == Template.CLIENT_VERIFY,
                Mail.due_at > Mail.created_at,
            )
            .correlate_except(Mail)
            .scalar_subquery()
        )

    @property
    def sid(self) -> str:
        return self.id.hex


Index("ix_validation_sessions_address", ValidationSession.address, ValidationSession.created_at)
Index("ix_validation_sessions_user", ValidationSession.user_id, ValidationSession.created_at)


def latest_of(
    session: Session, *, address: str, secret_hash: str, user_id: str
) -> ValidationSession | None:
    """The newest session of this client and account for this address."""
    return session.scalar(
        select(ValidationSession)
        .where(
            ValidationSession.address == address,
            ValidationSession.secret_hash == secret_hash,
            ValidationSession.user_id == user_id,
        )
        .order_by(ValidationSession.created_at.desc())
        .limit(1)
    )


def find(session: Session, session_id: uuid.UUID) -> ValidationSession | None:
    return session.get(ValidationSession, session_id)


def find_all(session: Session, ids: Collection[uuid.UUID]) -> Sequence[ValidationSession]:
    """Those of these sessions that are there."""
    return session.scalars(select(ValidationSession).where(ValidationSession.id.in_(ids))).all()


def opened_times(session: Session, user_id: str, since: datetime) -> Sequence[datetime]:
    """When this account opened sessions since then; oldest first."""
    return session.scalars(
        select(ValidationSession.created_at)
        .where(ValidationSession.user_id == user_id, ValidationSession.created_at > since)
        .order_by(ValidationSession.created_at)
    ).all()


def mail_times(session: Session, user_id: str, mailbox: str, since: datetime) -> list[datetime]:
    """When mails to this mailbox that this account requested left or will leave; oldest first."""
    found = session.scalars(
        select(Mail.due_at)
        .join(ValidationSession, ValidationSession.id == Mail.subject_id)
        .where(
            Mail.mailbox == mailbox,
            Mail.template == Template.CLIENT_VERIFY,
            Mail.due_at > since,
            ValidationSession.user_id == user_id,
        )
        .order_by(Mail.due_at)
    )
    return [time for time in found if time is not None]


def has_waiting_mail(session: Session, opened: ValidationSession, now: datetime) -> bool:
    """Whether a mail of this session is still to leave."""
    own = (Mail.address == opened.address) & (Mail.subject_id == opened.id)
    return rows.is_any(session, own, Mail.template == Template.CLIENT_VERIFY, Mail.due_at > now)


def mark_validated(session: Session, opened: ValidationSession, now: datetime) -> None:
    """Record the validation. The first time stays, so that another does not extend the session."""
    own = (ValidationSession.id == opened.id) & ValidationSession.validated_at.is_(None)
    rows.update(session, ValidationSession, own, validated_at=now)
    session.refresh(opened)
