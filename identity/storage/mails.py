"""Mails: one row for each that was asked for, what became of it, and the limits counted from them."""

import uuid
from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, Index, cast, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.addresses import EmailAddress

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
    CODE_USED = "code_used"  # the mailbox hears that a code of its was used
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
    mailbox: Mapped[str] = mapped_column(server_default="")  # by which limits count, see mailbox_of
    language: Mapped[str]
    subject_id: Mapped[uuid.UUID]  # the request or account it is about
    state: Mapped[str] = mapped_column(default=MailState.WAITING)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # when it may go; null: written by a version that knew no later
    handed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # class of the last failure, see mail/outcomes.py
    last_reply: Mapped[str | None]  # what the mail server last said, addresses masked

    @property
    def goes_at(self) -> datetime:
        """When it may go, or went: its date."""
        return self.due_at or self.created_at


Index("ix_mails_address", Mail.address, Mail.created_at)
Index("ix_mails_mailbox", Mail.mailbox, Mail.due_at)
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
    Template.CODE_USED: Lane.NORMAL,
    Template.BULK_REPORT: Lane.NORMAL,
    Template.REMINDER: Lane.BULK,
}


Quotas = tuple[tuple[int, timedelta], ...]
"""At most so many mails in such a time, all of them at once."""

QUOTAS: Quotas = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (10, timedelta(days=1)))
# Stricter ones, by what the mailbox is told: over them the mail is withheld and nobody is told.
DAILY = {Template.EXISTS: 3, Template.NONE: 1, Template.INVITE: 3}
ASKED_FOR = (Template.VERIFY, Template.EXISTS, Template.NONE, Template.CLIENT_VERIFY)
DAY = timedelta(days=1)


def mailbox_of(address: str) -> str:
    """The mailbox of a canonical address: all its tagged addresses are counted together."""
    return EmailAddress.stored(address).mailbox_key()


def may_go_at(
    session: Session,
    now: datetime,
    address: str,
    templates: Collection[Template],
    quotas: Quotas = QUOTAS,
) -> datetime:
    """The first moment at which one more mail of these templates may go to the mailbox; `now` if at once.

    To be asked under `lock_address`, and given to `order` as `due_at`. What is ordered for later counts
    at its time, and withheld mails count like the others: the limit must not show which were sent.
    """
    if not session.info.get("limited", True):
        return now
    since = now - max(window for _, window in quotas)
    times = _times(session, address, templates, since)
    freed = {time + window for time in times for _, window in quotas}
    moments = sorted({now, *(moment for moment in freed if moment > now)})
    return next(at for at in moments if all(_has_room(times, at, *quota) for quota in quotas))


def again_at(session: Session, now: datetime, address: str) -> datetime:
    """When the next mail to this address may be asked for; `now` if at once.

    Every reality counts by the same limits, so the answer says nothing about the address (R2).
    """
    return may_go_at(session, now, address, ASKED_FOR)


def is_over_daily(session: Session, now: datetime, address: str, template: Template) -> bool:
    """Whether a mail of this kind would go over its stricter, silent limit."""
    if template not in DAILY or not session.info.get("limited", True):
        return False
    return len(_times(session, address, (template,), now - DAY)) >= DAILY[template]


def order(
    session: Session,
    now: datetime,
    *,
    template: Template,
    address: str,
    language: str,
    subject_id: uuid.UUID,
    withheld: bool = False,
    due_at: datetime | None = None,
) -> Mail:
    """Write a mail down, and with it the errand to send it (unless it is withheld).

    `due_at`: the first moment it may go (see `may_go_at`), if that is not now.
    """
    due_at = max(due_at or now, now)
    mail = Mail(
        id=uuid.uuid4(),
        template=template,
        address=address,
        mailbox=mailbox_of(address),
        language=language,
        subject_id=subject_id,
        state=MailState.WITHHELD if withheld else MailState.WAITING,
        created_at=now,
        due_at=due_at,
    )
    session.add(mail)
    if not withheld:
        outbox.put(session, Errand.MAIL, mail.id, now, lane=LANES[template], due_at=due_at)
    return mail


def find(session: Session, mail_id: uuid.UUID) -> Mail | None:
    return session.get(Mail, mail_id)


def lock_address(session: Session, address: str) -> None:
    """Let one transaction at a time count and order mails to the mailbox of this address.

    On SQLite a writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = func.hashtext(f"mail:{mailbox_of(address)}")
        session.execute(select(func.pg_advisory_xact_lock(cast(key, BigInteger))))


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


def _times(
    session: Session, address: str, templates: Collection[Template], since: datetime
) -> list[datetime]:
    """When such mails went to the mailbox, or will go; oldest first."""
    found = session.scalars(
        select(Mail.due_at)
        .where(
            Mail.mailbox == mailbox_of(address), Mail.template.in_(templates), Mail.due_at > since
        )
        .order_by(Mail.due_at)
    )
    return [time for time in found if time is not None]


def _has_room(times: Sequence[datetime], at: datetime, count: int, window: timedelta) -> bool:
    """Whether with one more at this moment no span of `window` has over `count`, before or after it."""
    place = bisect_left(times, at)
    near = [*times[max(0, place - count) : place], at, *times[place : place + count]]
    return all(last - first >= window for first, last in zip(near, near[count:], strict=False))
