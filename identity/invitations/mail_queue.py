"""Invitation mails that wait for their turn at a mailbox, and the invitations they carry."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from identity.core import foreseen, outbox
from identity.core.database import limits_count
from identity.core.outbox import Job
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.quota import BOUNDS, INVITING, Template, first_free_moment, longest_window

from . import block_models, models
from .models import ThirdPartyInvitation

WAITING: Final = "mails that wait for a mailbox"
WRITTEN: Final = "mails written to a mailbox"


def find_waiting(session: Session, mailbox: str) -> list[Mail]:
    """The mails to all addresses of a mailbox that are not written yet, oldest first.

    A mail whose job was given up is left out: nothing waits for what is never sent. So is one that
    is held since its inviter is blocked.
    """
    return foreseen.recall(
        session, WAITING, mailbox, lambda: list(session.scalars(_waiting([mailbox])))
    )


def foresee(session: Session, now: datetime, mailboxes: Collection[str]) -> None:
    """Read at once what waits for these mailboxes, and what was written to them.

    Call it under their locks, and `forget` where this changes.
    """
    waiting: dict[str, list[Mail]] = {each: [] for each in mailboxes}
    for mail in session.scalars(_waiting(mailboxes)):
        waiting[mail.mailbox].append(mail)
    foreseen.remember(session, WAITING, waiting)
    foreseen.remember(session, WRITTEN, _read_written(session, now, mailboxes))


def is_foreseen(session: Session, mailbox: str) -> bool:
    """Whether this transaction read at once what waits for it, under its lock."""
    return foreseen.recall(session, WAITING, mailbox, lambda: None) is not None


def forget(session: Session, mail: Mail) -> None:
    """In this transaction a mail to this mailbox was ordered or written, or its invitations moved."""
    for what in (WAITING, WRITTEN):
        foreseen.forget(session, what, mail.mailbox)
    foreseen.forget(session, models.IN_MAIL, mail.id)


def find_by_address(session: Session, address: str) -> Mail | None:
    """The mail that waits for its turn and goes to exactly this address."""
    found = _waiting([mails.mailbox_of(address)]).where(Mail.address == address)
    soonest = found.order_by(None).order_by(Mail.due_at, Mail.created_at, Mail.id)
    return session.scalar(soonest.limit(1))


def find_by_sender(session: Session, mailbox: str, sender: str) -> Mail | None:
    """A mail that waits for its turn at this mailbox and carries an invitation of this sender."""
    carries = exists().where(
        ThirdPartyInvitation.mail_id == Mail.id, ThirdPartyInvitation.sender == sender
    )
    found = _waiting([mailbox]).where(carries)
    return session.scalar(found.limit(1))


def find_last_closed(session: Session, mailbox: str) -> Mail | None:
    """The newest mail that was written to any address of the mailbox."""
    return session.scalar(
        select(Mail)
        .where(
            Mail.mailbox == mailbox,
            Mail.template.in_(INVITING),
            Mail.closed_at.is_not(None),
            Mail.state != MailState.DROPPED,
        )
        .order_by(Mail.due_at.desc(), Mail.id)
        .limit(1)
    )


def earliest_departure(
    session: Session, earliest: datetime, address: str, template: Template
) -> datetime:
    """When such a mail may go to the mailbox, counting only mails that were written."""
    if not limits_count(session):
        return earliest
    mailbox = mails.mailbox_of(address)
    written = foreseen.recall(
        session, WRITTEN, mailbox, lambda: _read_written(session, earliest, [mailbox])[mailbox]
    )
    counted = [
        ([at for of, at in written if of in bound.templates], bound.quotas)
        for bound in BOUNDS[template]
    ]
    return first_free_moment(counted, earliest)


def _read_written(
    session: Session, now: datetime, mailboxes: Collection[str]
) -> dict[str, list[tuple[str, datetime]]]:
    """Which invitation mails were written to each mailbox, and when they left, oldest first.

    As far back as a limit counts. One whose reason ended before it was sent does not count.
    """
    since = now - longest_window(bound.quotas for of in INVITING for bound in BOUNDS[of])
    found = session.execute(
        select(Mail.mailbox, Mail.template, Mail.due_at)
        .where(
            Mail.mailbox.in_(mailboxes),
            Mail.template.in_(INVITING),
            Mail.due_at > since,
            Mail.closed_at.is_not(None),
            Mail.state != MailState.DROPPED,
        )
        .order_by(Mail.due_at)
    )
    written: dict[str, list[tuple[str, datetime]]] = {each: [] for each in mailboxes}
    for mailbox, template, due_at in found:
        if due_at is not None:  # so says the condition
            written[mailbox].append((template, due_at))
    return written


def find_carried_for_others(session: Session, mail: Mail) -> Sequence[ThirdPartyInvitation]:
    """The invitations in this mail for other addresses of its mailbox, oldest first."""
    carried = models.find_by_mail(session, mail.id)
    others = [each for each in carried if each.address != mail.address]
    return sorted(others, key=lambda each: (each.created_at, each.id))


def find_carried_by_others(session: Session, mail: Mail) -> Sequence[ThirdPartyInvitation]:
    """The invitations to this mail's address that other waiting mails carry."""
    others = [each.id for each in find_waiting(session, mail.mailbox) if each.id != mail.id]
    if not others:
        return []
    return _find_invitations(session, others, ThirdPartyInvitation.address == mail.address)


def _find_invitations(
    session: Session, mail_ids: list[UUID], of_address: ColumnElement[bool]
) -> Sequence[ThirdPartyInvitation]:
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.mail_id.in_(mail_ids), of_address)
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
    ).all()


def _waiting(mailboxes: Collection[str]) -> Select[Mail]:
    has_job = exists().where(Job.subject_id == Mail.id, outbox.WAITING, ~_is_held_for_inviter())
    return (
        select(Mail)
        .where(
            Mail.mailbox.in_(mailboxes),
            Mail.template.in_(INVITING),
            Mail.state == MailState.WAITING,
            Mail.closed_at.is_(None),
            Mail.due_at.is_not(None),
            has_job,
        )
        .order_by(Mail.created_at, Mail.id)
    )


def _is_held_for_inviter() -> ColumnElement[bool]:
    return func.coalesce(Job.held_by, "").startswith(block_models.key_of(""))
