"""Invitation mails that wait for their turn at a mailbox, and the invitations they carry."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import Job
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.quota import INVITING, Template

from . import block_models
from .models import ThirdPartyInvitation


def find_waiting(session: Session, mailbox: str) -> list[Mail]:
    """The mails to all addresses of a mailbox that are not written yet, oldest first.

    A mail whose job was given up is left out: nothing waits for what is never sent. So is one that
    is held since its inviter is blocked.
    """
    return list(session.scalars(_waiting(mailbox)))


def find_by_address(session: Session, address: str) -> Mail | None:
    """The mail that waits for its turn and goes to exactly this address."""
    found = _waiting(mails.mailbox_of(address)).where(Mail.address == address)
    soonest = found.order_by(None).order_by(Mail.due_at, Mail.created_at, Mail.id)
    return session.scalar(soonest.limit(1))


def find_by_sender(session: Session, mailbox: str, sender: str) -> Mail | None:
    """A mail that waits for its turn at this mailbox and carries an invitation of this sender."""
    carries = exists().where(
        ThirdPartyInvitation.mail_id == Mail.id, ThirdPartyInvitation.sender == sender
    )
    found = _waiting(mailbox).where(carries)
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
    return mails.earliest_by_bounds(session, earliest, address, template, gone=True)


def find_carried_for_others(session: Session, mail: Mail) -> Sequence[ThirdPartyInvitation]:
    """The invitations in this mail for other addresses of its mailbox, oldest first."""
    return _find_invitations(session, [mail.id], ThirdPartyInvitation.address != mail.address)


def find_carried_by_others(session: Session, mail: Mail) -> Sequence[ThirdPartyInvitation]:
    """The invitations to this mail's address that other waiting mails carry."""
    others = [each.id for each in find_waiting(session, mail.mailbox) if each.id != mail.id]
    return _find_invitations(session, others, ThirdPartyInvitation.address == mail.address)


def _find_invitations(
    session: Session, mail_ids: list[UUID], of_address: ColumnElement[bool]
) -> Sequence[ThirdPartyInvitation]:
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.mail_id.in_(mail_ids), of_address)
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
    ).all()


def _waiting(mailbox: str) -> Select[Mail]:
    has_job = exists().where(Job.subject_id == Mail.id, outbox.WAITING, ~_is_held_for_inviter())
    return (
        select(Mail)
        .where(
            Mail.mailbox == mailbox,
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
