"""Validation sessions of the Identity Service API: an address, a client, and its validation."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Executable,
    Index,
    bindparam,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Mapped, Session, aliased, column_property, declared_attr, mapped_column

from domain_rules.addresses import EmailAddress
from identity.core import rows
from identity.core.database import Base, UtcDateTime
from identity.core.gathered import times_of
from identity.core.personal_data import ADDRESS, TEXT, USER_ID
from identity.core.sealed_columns import SEALED
from identity.freezes.models import Freeze, Freezes, is_in_force
from identity.mail.models import Mail
from identity.mail.quota import DAY, Template


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


@dataclass(frozen=True)
class Beginning:
    """What decides whether a request for a validation opens a session, and orders a mail."""

    freezes: Freezes
    latest: ValidationSession | None
    """The newest session of this client and account for this address."""
    is_waiting: bool
    """Whether a mail of that session is still to leave."""
    sent: list[datetime]
    """When mails of all sessions to this mailbox left or will leave, within a day; oldest first."""
    own: list[datetime]
    """Those that this account requested."""
    full_since: datetime | None
    """Of the sessions that the account opened within a day, the time of the last but `most`."""


def _bound(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UtcDateTime)


def _beginning() -> Executable:
    """One statement, written once: each further one would cost more than what it asks for."""
    mailed = (
        select(Mail.due_at)
        .where(
            Mail.mailbox == bindparam("mailbox"),
            Mail.template == Template.CLIENT_VERIFY,
            Mail.due_at > _bound("since"),
        )
        .order_by(Mail.due_at)
    )
    by_account = mailed.join(ValidationSession, ValidationSession.id == Mail.subject_id).where(
        ValidationSession.user_id == bindparam("user_id")
    )
    other = aliased(ValidationSession)
    newest = (
        select(other.id)
        .where(
            other.address == bindparam("address"),
            other.secret_hash == bindparam("secret_hash"),
            other.user_id == bindparam("user_id"),
        )
        .order_by(other.created_at.desc())
        .limit(1)
    )
    opened = (
        select(other.created_at)
        .where(other.user_id == bindparam("user_id"), other.created_at > _bound("since"))
        .order_by(other.created_at.desc())
        .offset(bindparam("others"))
        .limit(1)
    )
    waits = exists().where(
        Mail.address == ValidationSession.address,
        Mail.subject_id == ValidationSession.id,
        Mail.template == Template.CLIENT_VERIFY,
        Mail.due_at > _bound("now"),
    )
    return (
        select(
            Freeze,
            ValidationSession,
            waits.correlate(ValidationSession),
            times_of(mailed),
            times_of(by_account),
            opened.scalar_subquery(),
        )
        .select_from(select(literal(1).label("row")).subquery("request"))
        .outerjoin(Freeze, is_in_force(_bound("now")))
        .outerjoin(ValidationSession, ValidationSession.id == newest.scalar_subquery())
    )


BEGINNING = _beginning()


def find_beginning(
    session: Session,
    now: datetime,
    *,
    address: EmailAddress,
    secret_hash: str,
    user_id: str,
    most: int,
) -> Beginning:
    """What is known of this client, account and mailbox. Call it under `mails.lock_address`.

    `most`: how many sessions an account opens within a day.
    """
    asked = {"address": address.canonical, "secret_hash": secret_hash, "user_id": user_id}
    times = {"now": now, "since": now - DAY, "mailbox": address.mailbox_key(), "others": most - 1}
    found = session.execute(BEGINNING, asked | times).all()
    _, latest, is_waiting, sent, own, full_since = found[0]
    in_force = Freezes(tuple(row[0] for row in found if row[0] is not None))
    return Beginning(in_force, latest, is_waiting, sent, own, full_since)


def find(session: Session, session_id: uuid.UUID) -> ValidationSession | None:
    return session.get(ValidationSession, session_id)


def find_all(session: Session, ids: Collection[uuid.UUID]) -> Sequence[ValidationSession]:
    """Those of these sessions that are there."""
    return session.scalars(select(ValidationSession).where(ValidationSession.id.in_(ids))).all()


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


def mark_validated(session: Session, opened: ValidationSession, now: datetime) -> None:
    """Record the validation. The first time stays, so that another does not extend the session."""
    own = (ValidationSession.id == opened.id) & ValidationSession.validated_at.is_(None)
    rows.update(session, ValidationSession, own, validated_at=now)
    session.refresh(opened)
