"""Mails in the database: one row per requested mail, its outcome, and the limits on them."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import ColumnElement, Index, bindparam, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.addresses import EmailAddress
from identity.core import advisory_locks, outbox, tracing
from identity.core.address_domains import domain_of
from identity.core.database import Base, limits_count
from identity.core.outbox import Job, JobKind, Lane
from identity.core.personal_data import ADDRESS, TEXT

from .quota import (
    BOUNDS,
    INVITING,
    QUOTAS,
    Bound,
    Quotas,
    Template,
    first_free_moment,
    longest_window,
)


class MailState(StrEnum):
    """What is known about a mail: `handed` to the mail server, never "delivered"."""

    WAITING = "waiting"
    HANDED = "handed"
    REFUSED = "refused"  # the mail server refused it permanently
    GAVE_UP = "gave_up"  # it could not be handed over in time
    DROPPED = "dropped"  # its reason ended before it was sent: cancelled, used, expired
    WITHHELD = "withheld"  # over a limit that the recipient is not told about


class Mail(Base):
    """One mail to one address. Its text, with codes and links, is written when it is sent."""

    __tablename__ = "mails"

    # Also the local part of its Message-ID.
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    template: Mapped[str]
    address: Mapped[str] = mapped_column(info=ADDRESS)
    mailbox: Mapped[str] = mapped_column(server_default="", info=ADDRESS)  # limits count by it
    language: Mapped[str]
    subject_id: Mapped[uuid.UUID]  # the request, invitation or account it is about
    state: Mapped[str] = mapped_column(default=MailState.WAITING)
    created_at: Mapped[datetime]
    # When it may be sent; null: stored by a version without delayed mails.
    due_at: Mapped[datetime | None]
    # Of an invitation mail: it was written, and no further invitation is added to it.
    closed_at: Mapped[datetime | None]
    handed_at: Mapped[datetime | None]
    # When it was handed over, or refused for good; null: neither, or stored by an older version.
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # class of the last failure, an Outcome
    # What the mail server last said, addresses masked.
    last_reply: Mapped[str | None] = mapped_column(info=TEXT)
    # The id of the request that ordered it, for the log.
    trace_id: Mapped[str | None] = mapped_column(default=tracing.trace_id)

    @property
    def goes_at(self) -> datetime:
        """When it may be sent, or was sent; this is the mail's Date."""
        return self.due_at or self.created_at


Index("ix_mails_address", Mail.address, Mail.created_at)
Index("ix_mails_mailbox", Mail.mailbox, Mail.due_at)
Index("ix_mails_created", Mail.created_at, Mail.id)
Index("ix_mails_domain", domain_of(Mail.address), Mail.created_at, Mail.id)
Index(
    "ix_mails_outcome",
    Mail.outcome,
    Mail.created_at,
    Mail.id,
    postgresql_where=Mail.outcome.is_not(None),
    sqlite_where=Mail.outcome.is_not(None),
)
Index("ix_mails_state", Mail.state, Mail.created_at, Mail.id)
Index("ix_mails_template", Mail.template, Mail.created_at, Mail.id)
Index(
    "ix_mails_ended",
    Mail.ended_at,
    postgresql_where=Mail.ended_at.is_not(None),
    sqlite_where=Mail.ended_at.is_not(None),
)

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
    Template.CHANGE_NOTICE: Lane.NORMAL,
    Template.OPERATOR_CODE: Lane.URGENT,
    Template.OPERATOR_INVITE: Lane.NORMAL,
    Template.OPERATOR_NOTICE: Lane.NORMAL,
    Template.OPERATOR_TEST: Lane.NORMAL,
    Template.DOMAIN_CODE: Lane.URGENT,
    Template.DOMAIN_REQUEST: Lane.NORMAL,
    Template.DOMAIN_QUESTION: Lane.NORMAL,
    Template.DOMAIN_DECISION: Lane.BULK,
}


def is_tagged(address: str) -> bool:
    """Whether a canonical address has a tag behind a plus (`ana+news@…`)."""
    return mailbox_of(address) != address


def mailbox_of(address: str) -> str:
    """The mailbox key of a canonical address: all its spellings are counted together."""
    return EmailAddress.stored(address).mailbox_key()


def earliest_by_quotas(
    session: Session,
    now: datetime,
    address: str,
    templates: Collection[Template],
    quotas: Quotas = QUOTAS,
    *,
    tagged: bool = False,
) -> datetime:
    """The first time at which one more mail of these templates may go to the mailbox.

    That is `now` if nothing limits it. Call it under `lock_address`, and pass the result to `order`
    as `due_at`. Mails ordered for later count at their time, and withheld mails count like the
    others: the limit must not reveal which mails were really sent. `tagged`: mails to the address
    without a tag do not count.
    """
    return _free_at(session, now, address, (Bound(tuple(templates), quotas),), tagged=tagged)


def earliest_by_bounds(
    session: Session,
    now: datetime,
    address: str,
    template: Template,
    *,
    gone: bool = False,
) -> datetime:
    """The first time at which a mail may go to the mailbox by all bounds of its template.

    This is what `order` uses. `gone`: count only mails that were written, see
    `invitations/mail_queue.py`.
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
    due_at: datetime | None = None,
) -> Mail:
    """Store a mail, and enqueue the job that sends it.

    `due_at`: the first time it may be sent (see `earliest_by_quotas`); by default the bounds of its
    template decide.
    """
    if due_at is None:
        due_at = earliest_by_bounds(session, now, address, template)
    mail, job = new(
        now,
        template=template,
        address=address,
        language=language,
        subject_id=subject_id,
        due_at=due_at,
    )
    session.add_all((mail, job))
    outbox.wake(session, LANES[template])
    return mail


def new(
    now: datetime,
    *,
    template: Template,
    address: str,
    language: str,
    subject_id: uuid.UUID,
    due_at: datetime,
) -> tuple[Mail, Job]:
    """A mail and the job that sends it, for whoever inserts them with other rows, and wakes its lane."""
    due_at = max(due_at, now)
    mail = Mail(
        id=uuid.uuid4(),
        template=template,
        address=address,
        mailbox=mailbox_of(address),
        language=language,
        subject_id=subject_id,
        state=MailState.WAITING,
        created_at=now,
        due_at=due_at,
    )
    job = outbox.new_job(JobKind.MAIL, mail.id, now, lane=LANES[template], due_at=due_at)
    return mail, job


def bring_forward(session: Session, mail: Mail, due_at: datetime) -> None:
    """Let a waiting mail be sent sooner. Call it under `lock_address`, as for `order`."""
    before, mail.due_at = mail.goes_at, due_at
    lane = LANES[Template(mail.template)]
    outbox.bring_forward(session, JobKind.MAIL, mail.id, lane=lane, before=before, to=due_at)


def find(session: Session, mail_id: uuid.UUID) -> Mail | None:
    return session.get(Mail, mail_id)


def find_all(
    session: Session, ids: Collection[uuid.UUID], *which: ColumnElement[bool]
) -> Sequence[Mail]:
    """Those of these mails that are there and meet all conditions, as they are now."""
    found = select(Mail).where(Mail.id.in_(ids), *which).execution_options(populate_existing=True)
    return session.scalars(found.order_by(Mail.created_at, Mail.id)).all()


def addresses_of(session: Session, ids: Collection[uuid.UUID]) -> Sequence[str]:
    """Where these mails go to."""
    return session.scalars(select(Mail.address).where(Mail.id.in_(ids))).all()


def lock_address(session: Session, *addresses: str) -> None:
    """Let one transaction at a time count and order mails to the mailbox of this address.

    A PostgreSQL advisory lock until the transaction ends; on SQLite a writing transaction is alone
    anyway. Of several, the locks are taken in this order.
    """
    advisory_locks.take(session, [_lock_of(each) for each in addresses])


def lock_addresses(session: Session, addresses: Collection[str]) -> None:
    """Lock several mailboxes as `lock_address` does, in the order in which everybody takes them."""
    advisory_locks.take(session, sorted(_lock_of(each) for each in addresses))


def lock_free(session: Session, addresses: Collection[str]) -> set[str]:
    """Lock those of these mailboxes that nobody else has locked; returns the addresses in them."""
    free = advisory_locks.take_free(session, [_lock_of(each) for each in addresses])
    return {each for each in addresses if _lock_of(each) in free}


def _lock_of(address: str) -> str:
    return f"mail:{mailbox_of(address)}"


def find_by_address(session: Session, address: str, *, limit: int = 50) -> list[Mail]:
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
    """Whether a mail of this template about this subject is ordered and not sent yet."""
    found = select(Mail.id).where(
        Mail.subject_id == subject_id,
        Mail.template == template,
        Mail.state == MailState.WAITING,
    )
    return session.scalar(found.limit(1)) is not None


def find_scheduled(
    session: Session, now: datetime, template: Template, address: str
) -> Mail | None:
    """A mail of this template to this address that is due later, if there is one.

    No worker is writing it yet.
    """
    found = select(Mail).where(
        Mail.address == address,
        Mail.template == template,
        Mail.state == MailState.WAITING,
        Mail.due_at > now,
    )
    return session.scalars(found.limit(1)).one_or_none()


def find_by_invitation(
    session: Session, address: str, invitation_id: uuid.UUID, mail_id: uuid.UUID | None
) -> list[Mail]:
    """The mails to an invited address about an invitation, newest first.

    `mail_id`: the invitation's latest mail.
    """
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


def find_recent(session: Session, *, state: MailState | None = None, limit: int = 50) -> list[Mail]:
    """The newest mails, of one state or of all."""
    query = select(Mail).order_by(Mail.created_at.desc()).limit(limit)
    return list(session.scalars(query.where(Mail.state == state) if state else query))


def last_outcomes(session: Session, since: datetime, *, limit: int) -> list[str]:
    """The outcomes of the mails that were handed over (empty) or refused last, newest first."""
    found = session.scalars(LAST_OUTCOMES, {"since": since, "most": limit})
    return [outcome or "" for outcome in found]


LAST_OUTCOMES = (  # composed once: every probe asks
    select(Mail.outcome)
    .where(Mail.ended_at.is_not(None), Mail.ended_at > bindparam("since"))
    .order_by(Mail.ended_at.desc())
    .limit(bindparam("most"))
)


def count_by_state(session: Session) -> dict[str, int]:
    """How many mails there are in each state."""
    rows = session.execute(select(Mail.state, func.count()).group_by(Mail.state))
    return dict(rows.all())


def _free_at(
    session: Session,
    earliest: datetime,
    address: str,
    bounds: tuple[Bound, ...],
    *,
    gone: bool = False,
    tagged: bool = False,
) -> datetime:
    if not limits_count(session):
        return earliest
    since = earliest - longest_window(each.quotas for each in bounds)
    times = partial(_times, session, address, since=since, gone=gone, tagged=tagged)
    return first_free_moment([(times(each.templates), each.quotas) for each in bounds], earliest)


def _times(
    session: Session,
    address: str,
    templates: Collection[Template],
    *,
    since: datetime,
    gone: bool = False,
    tagged: bool = False,
) -> list[datetime]:
    """When such mails went to the mailbox, or will go; oldest first. `gone`: only those written.

    Invitation mails whose reason ended before they were sent do not count. Others do, see
    `earliest_by_quotas`.
    """
    never_sent = (Mail.state == MailState.DROPPED) & Mail.template.in_(INVITING)
    query = (
        select(Mail.due_at)
        .where(
            Mail.mailbox == mailbox_of(address), Mail.template.in_(templates), Mail.due_at > since
        )
        .where(~never_sent)
    )
    query = query.where(Mail.closed_at.is_not(None)) if gone else query
    query = query.where(Mail.address != Mail.mailbox) if tagged else query
    found = session.scalars(query.order_by(Mail.due_at))
    return [time for time in found if time is not None]
