"""Mails: one row for each that was asked for, what became of it, and the limits counted from them."""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, Index, cast, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import outbox
from .database import Base
from .outbox import Errand, Lane


class Template(StrEnum):
    """Which text the mail carries."""

    VERIFY = "verify"
    EXISTS = "exists"
    NONE = "none"
    WELCOME = "welcome"
    SERVER_READY = "server_ready"
    CLIENT_VERIFY = "client_verify"  # what a Matrix client wants proved
    INVITE = "invite"
    INVITE_DIGEST = (
        "invite_digest"  # instead of the invitations over what one address gets in a day
    )
    LIST_CODE = "list_code"  # to see one's lists of people
    BULK_REPORT = "bulk_report"  # what became of a list
    REMINDER = "reminder"  # of an invitation nobody answered


class MailState(StrEnum):
    """Say what we know: `handed` to the mail server, never "delivered"."""

    WAITING = "waiting"
    HANDED = "handed"
    REFUSED = "refused"  # the mail server said no for good
    GAVE_UP = "gave_up"  # it could not be handed over in time
    DROPPED = "dropped"  # its reason ended before it left: cancelled, used, expired
    WITHHELD = "withheld"  # over a limit the person is not told of


class Mail(Base):
    """One mail to one address. The text is made when it is sent: no code or link stands here."""

    __tablename__ = "mails"

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, default=uuid.uuid4
    )  # also its Message-ID
    template: Mapped[str]
    address: Mapped[str]
    language: Mapped[str]
    subject_id: Mapped[uuid.UUID]  # the request or account it is about
    state: Mapped[str] = mapped_column(default=MailState.WAITING)
    created_at: Mapped[datetime]
    handed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # class of the last failure, see mail/outcomes.py
    last_reply: Mapped[str | None]  # what the mail server last said, addresses masked


Index("ix_mails_address", Mail.address, Mail.created_at)
Index("ix_mails_created", Mail.created_at)

LANES = {
    Template.VERIFY: Lane.URGENT,
    Template.EXISTS: Lane.URGENT,
    Template.NONE: Lane.NORMAL,
    Template.WELCOME: Lane.NORMAL,
    Template.SERVER_READY: Lane.NORMAL,
    Template.CLIENT_VERIFY: Lane.URGENT,
    Template.INVITE: Lane.NORMAL,
    Template.INVITE_DIGEST: Lane.NORMAL,
    Template.LIST_CODE: Lane.URGENT,
    Template.BULK_REPORT: Lane.NORMAL,
    Template.REMINDER: Lane.BULK,
}


QUOTAS = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (10, timedelta(days=1)))
# Stricter ones, by what the mailbox is told: over them the mail is withheld and nobody is told.
DAILY = {Template.EXISTS: 3, Template.NONE: 1, Template.INVITE: 3}
ASKED_FOR = (Template.VERIFY, Template.EXISTS, Template.NONE, Template.CLIENT_VERIFY)
DAY = timedelta(days=1)


def again_at(session: Session, now: datetime, address: str) -> datetime:
    """When the next mail to this address may be asked for; `now` if at once.

    Every reality counts by the same limits, so the answer says nothing about the address (R2).
    """
    if not session.info.get("limited", True):
        return now
    times = _asked_times(session, address, ASKED_FOR, now - DAY)
    waits = [
        recent[count - 1] + window
        for count, window in QUOTAS
        if len(recent := [time for time in times if time > now - window]) >= count
    ]
    return max(waits, default=now)


def is_over_daily(session: Session, now: datetime, address: str, template: Template) -> bool:
    """Whether a mail of this kind would go over its stricter, silent limit."""
    if template not in DAILY or not session.info.get("limited", True):
        return False
    return len(_asked_times(session, address, (template,), now - DAY)) >= DAILY[template]


def order(
    session: Session,
    now: datetime,
    *,
    template: Template,
    address: str,
    language: str,
    subject_id: uuid.UUID,
    withheld: bool = False,
) -> Mail:
    """Write a mail down, and with it the errand to send it (unless it is withheld)."""
    mail = Mail(
        id=uuid.uuid4(),
        template=template,
        address=address,
        language=language,
        subject_id=subject_id,
        state=MailState.WITHHELD if withheld else MailState.WAITING,
        created_at=now,
    )
    session.add(mail)
    if not withheld:
        outbox.put(session, Errand.MAIL, mail.id, now, lane=LANES[template])
    return mail


def find(session: Session, mail_id: uuid.UUID) -> Mail | None:
    return session.get(Mail, mail_id)


def _asked_times(
    session: Session, address: str, templates: tuple[Template, ...], since: datetime
) -> list[datetime]:
    # Newest first, withheld ones too: the limit must not show which mails were really sent.
    return list(
        session.scalars(
            select(Mail.created_at)
            .where(Mail.address == address, Mail.template.in_(templates), Mail.created_at > since)
            .order_by(Mail.created_at.desc())
        )
    )


def lock_address(session: Session, address: str) -> None:
    """Let one transaction at a time count and order mails to this address.

    On SQLite a writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            select(func.pg_advisory_xact_lock(cast(func.hashtext(f"mail:{address}"), BigInteger)))
        )


def to_address(session: Session, address: str, *, limit: int = 50) -> list[Mail]:
    """Mails to one address, newest first."""
    return list(
        session.scalars(
            select(Mail)
            .where(Mail.address == address)
            .order_by(Mail.created_at.desc())
            .limit(limit)
        )
    )


def about_invitation(
    session: Session, address: str, invitation_id: uuid.UUID, since: datetime
) -> list[Mail]:
    """The mails to an invited address that told of an invitation, newest first."""
    told = (Mail.subject_id == invitation_id) | (Mail.template == Template.INVITE_DIGEST)
    return list(
        session.scalars(
            select(Mail)
            .where(Mail.address == address, Mail.created_at >= since, told)
            .order_by(Mail.created_at.desc())
        )
    )


def recent(session: Session, *, state: MailState | None = None, limit: int = 50) -> list[Mail]:
    """The newest mails, of one state or of all."""
    query = select(Mail).order_by(Mail.created_at.desc()).limit(limit)
    return list(session.scalars(query.where(Mail.state == state) if state else query))


def counts(session: Session) -> dict[str, int]:
    """How many mails stand in each state."""
    rows = session.execute(select(Mail.state, func.count()).group_by(Mail.state))
    return {state: count for state, count in rows}  # noqa: C416  rows are not tuples to mypy
