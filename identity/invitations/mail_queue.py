"""Mails of invitations that wait for their turn at a mailbox: whose they are, and when one of them may leave."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import Job
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.quota import INVITING, Template

from .models import ThirdPartyInvitation


def waiting(session: Session, mailbox: str) -> list[Mail]:
    """The mails to all addresses of a mailbox that were not written yet, in the order they were asked for.

    One whose errand was given up is not among them: nothing waits for what never leaves.
    """
    return list(session.scalars(_waiting(mailbox)))


def to_address(session: Session, address: str) -> Mail | None:
    """The mail that waits for its turn, and can tell exactly this address of more."""
    found = _waiting(mails.mailbox_of(address)).where(Mail.address == address)
    soonest = found.order_by(None).order_by(Mail.due_at, Mail.created_at, Mail.id)
    return session.scalars(soonest.limit(1)).one_or_none()


def of_sender(session: Session, mailbox: str, sender: str) -> Mail | None:
    """The mail that waits for its turn at this mailbox because of this sender, or of them too."""
    told = exists().where(
        ThirdPartyInvitation.mail_id == Mail.id, ThirdPartyInvitation.sender == sender
    )
    found = _waiting(mailbox).where(told)
    return session.scalars(found.limit(1)).one_or_none()


def went_last(session: Session, mailbox: str) -> Mail | None:
    """The newest that was written to any address of the mailbox."""
    return session.scalars(
        select(Mail)
        .where(
            Mail.mailbox == mailbox,
            Mail.template.in_(INVITING),
            Mail.closed_at.is_not(None),
            Mail.state != MailState.DROPPED,
        )
        .order_by(Mail.due_at.desc(), Mail.id)
        .limit(1)
    ).one_or_none()


def may_leave_at(
    session: Session, earliest: datetime, address: str, template: Template
) -> datetime:
    """When such a mail may go to the mailbox by those that went: what waits takes nobody's turn."""
    return mails.bounded_at(session, earliest, address, template, gone=True)


def carried_for_others(session: Session, mail: Mail) -> list[ThirdPartyInvitation]:
    """The invitations that came with this mail and are of another address of its mailbox, oldest first."""
    return _invitations(session, [mail.id], ThirdPartyInvitation.address != mail.address)


def carried_by_others(session: Session, mail: Mail) -> list[ThirdPartyInvitation]:
    """The invitations of this mail's address that came with other waiting mails to its mailbox."""
    others = [each.id for each in waiting(session, mail.mailbox) if each.id != mail.id]
    return _invitations(session, others, ThirdPartyInvitation.address == mail.address)


def _invitations(
    session: Session, mail_ids: list[UUID], of_address: ColumnElement[bool]
) -> list[ThirdPartyInvitation]:
    return list(
        session.scalars(
            select(ThirdPartyInvitation)
            .where(ThirdPartyInvitation.mail_id.in_(mail_ids), of_address)
            .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
        )
    )


def _waiting(mailbox: str) -> Select[Mail]:
    has_errand = exists().where(Job.subject_id == Mail.id, outbox.WAITING)
    return (
        select(Mail)
        .where(
            Mail.mailbox == mailbox,
            Mail.template.in_(INVITING),
            Mail.state == MailState.WAITING,
            Mail.closed_at.is_(None),
            Mail.due_at.is_not(None),
            has_errand,
        )
        .order_by(Mail.created_at, Mail.id)
    )
