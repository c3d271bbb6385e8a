"""Mails: one row for each that was asked for, what became of it, and the limits counted from them."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import BigInteger, Index, cast, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.addresses import EmailAddress
from identity.core import outbox
from identity.core.database import Base
from identity.core.outbox import JobKind, Lane

from .quota import ASKED_FOR, BOUNDS, INVITING, QUOTAS, Bound, Quotas, Template, first_free, longest

__all__ = ["ASKED_FOR", "INVITING", "QUOTAS", "Template"]  # of mail_bounds, for who reads them here


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
    closed_at: Mapped[
        datetime | None
    ]  # of an inviting mail: it was written, no invitation joins it
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
    Template.NOT_INVITED: Lane.NORMAL,
    Template.BULK_REPORT: Lane.NORMAL,
    Template.REMINDER: Lane.BULK,
}


def is_tagged(address: str) -> bool:
    """Whether a canonical address has a tag behind a plus."""
    return mailbox_of(address) != address


def mailbox_of(address: str) -> str:
    """The mailbox of a canonical address: all its spellings are counted together."""
    return EmailAddress.stored(address).mailbox_key()


def may_go_at(
    session: Session,
    now: datetime,
    address: str,
    templates: Collection[Template],
    quotas: Quotas = QUOTAS,
    *,
    tagged: bool = False,
) -> datetime:
    """The first moment at which one more mail of these templates may go to the mailbox; `now` if at once.

    To be asked under `lock_address`, and given to `order` as `due_at`. What is ordered for later counts
    at its time, and withheld mails count like the others: the limit must not show which were sent.
    `tagged`: mails to the address without a tag do not count.
    """
    return _free_at(session, now, address, (Bound(tuple(templates), quotas),), tagged=tagged)


def bounded_at(
    session: Session,
    now: datetime,
    address: str,
    template: Template,
    *,
    gone: bool = False,
) -> datetime:
    """The first moment a mail may go to the mailbox by all that bounds its template: what `order` takes.

    `gone`: by those alone that were written, see `inviting_mails`.
    """
    return _free_at(session, now, address, BOUNDS[template], gone=gone)


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

    `due_at`: the first moment it may go (see `may_go_at`); not given, the bounds of its template say it.
    """
    if due_at is None:
        due_at = now if withheld else bounded_at(session, now, address, template)
    due_at = max(due_at, now)
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
        outbox.enqueue(session, JobKind.MAIL, mail.id, now, lane=LANES[template], due_at=due_at)
    return mail


def bring_forward(session: Session, mail: Mail, due_at: datetime) -> None:
    """A mail that waits for its moment may go sooner. Under `lock_address`, as all that orders mails."""
    before, mail.due_at = mail.goes_at, due_at
    lane = LANES[Template(mail.template)]
    outbox.bring_forward(session, JobKind.MAIL, mail.id, lane=lane, before=before, to=due_at)


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


def is_waiting(session: Session, template: Template, subject_id: uuid.UUID) -> bool:
    """Whether such a mail about this is ordered and has not left."""
    found = select(Mail.id).where(
        Mail.subject_id == subject_id,
        Mail.template == template,
        Mail.state == MailState.WAITING,
    )
    return session.scalar(found.limit(1)) is not None


def ordered_for_later(
    session: Session, now: datetime, template: Template, address: str
) -> Mail | None:
    """Such a mail to this address that waits for its moment. Nobody is writing it."""
    found = select(Mail).where(
        Mail.address == address,
        Mail.template == template,
        Mail.state == MailState.WAITING,
        Mail.due_at > now,
    )
    return session.scalars(found.limit(1)).one_or_none()


def about_invitation(
    session: Session, address: str, invitation_id: uuid.UUID, mail_id: uuid.UUID | None
) -> list[Mail]:
    """The mails to an invited address that told of an invitation, newest first. `mail_id`: its latest."""
    return list(
        session.scalars(
            select(Mail)
            .where(
                Mail.address == address,
                (Mail.subject_id == invitation_id) | (Mail.id == mail_id),
            )
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


def _free_at(
    session: Session,
    earliest: datetime,
    address: str,
    bounds: tuple[Bound, ...],
    *,
    gone: bool = False,
    tagged: bool = False,
) -> datetime:
    if not session.info.get("limited", True):
        return earliest
    since = earliest - longest(each.quotas for each in bounds)
    times = partial(_times, session, address, since=since, gone=gone, tagged=tagged)
    return first_free([(times(each.templates), each.quotas) for each in bounds], earliest)


def _times(
    session: Session,
    address: str,
    templates: Collection[Template],
    *,
    since: datetime,
    gone: bool = False,
    tagged: bool = False,
) -> list[datetime]:
    """When such mails went to the mailbox, or will go; oldest first. `gone`: those that were written alone.

    Inviting mails whose reason ended before they left took nobody's turn. Others count: see `may_go_at`.
    """
    untold = (Mail.state == MailState.DROPPED) & Mail.template.in_(INVITING)
    query = (
        select(Mail.due_at)
        .where(
            Mail.mailbox == mailbox_of(address), Mail.template.in_(templates), Mail.due_at > since
        )
        .where(~untold)
    )
    query = query.where(Mail.closed_at.is_not(None)) if gone else query
    query = query.where(Mail.address != Mail.mailbox) if tagged else query
    found = session.scalars(query.order_by(Mail.due_at))
    return [time for time in found if time is not None]
