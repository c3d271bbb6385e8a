"""The mails that tell an address of invitations: one for all that come within half an hour, and a few a day."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from identity.storage import mails, third_party_invitations
from identity.storage.mails import INVITING, Mail, MailState, Template
from identity.storage.third_party_invitations import ThirdPartyInvitation

# Who invites to several rooms at once has a homeserver ask for one after the other.
GATHERED = timedelta(seconds=5)


def order(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> Mail:
    """The mail that will tell of this invitation: the one that waits for its moment already, or a new one.

    The caller holds `mails.lock_address`.
    """
    is_limited = session.info.get("limited", True)
    mail = mails.joinable(session, invitation.address) if is_limited else None
    if mail is None:
        template, due_at = _next(session, now, invitation.address) if is_limited else _AT_ONCE
        mail = mails.order(
            session,
            now,
            template=template,
            address=invitation.address,
            language=invitation.language,
            subject_id=invitation.id,
            due_at=due_at,
        )
    invitation.mail_id = mail.id
    session.flush()
    return mail


def remind(session: Session, now: datetime, due: list[ThirdPartyInvitation]) -> Mail | None:
    """One reminder of several invitations of one address, newest first; None: not now.

    The caller holds `mails.lock_address`.
    """
    newest = due[0]
    if mails.bounded_at(session, now, newest.address, Template.REMINDER) > now:
        return None
    mail = mails.order(
        session,
        now,
        template=Template.REMINDER,
        address=newest.address,
        language=newest.language,
        subject_id=newest.id,
        due_at=now,
    )
    for each in due:
        each.mail_id = mail.id
    session.flush()
    return mail


def close(session: Session, now: datetime, mail_id: UUID) -> datetime | None:
    """A due mail is about to be written: from now on no invitation joins it.

    If too many went to its mailbox just before (the relay was away, and all that waited is due), it
    stays open and waits for the moment that is given back.
    """
    mail = mails.find(session, mail_id)
    if mail is None or mail.template not in INVITING or mail.closed_at is not None:
        return None
    mails.lock_address(session, mail.address)
    session.refresh(mail)
    if mail.state != MailState.WAITING or mail.closed_at is not None:
        return None
    leaves_at = mails.may_leave_at(session, now, mail)
    mail.due_at = leaves_at
    if leaves_at <= now:
        mail.closed_at = now
    session.flush()
    return leaves_at if leaves_at > now else None


def about(session: Session, now: datetime, mail: Mail) -> list[ThirdPartyInvitation]:
    """The invitations a mail tells of, newest first; of an older version's mail, by its subject."""
    if mail.template not in INVITING:
        return []
    if told := third_party_invitations.of_mail(session, mail.id):
        return told
    if mail.template == Template.INVITE_DIGEST:
        waiting = third_party_invitations.waiting_for(session, mail.address, now)
        return [each for each in waiting if each.created_at <= mail.created_at]
    found = third_party_invitations.find(session, mail.subject_id)
    return [found] if found else []


_AT_ONCE = (Template.INVITE, None)


def _next(session: Session, now: datetime, address: str) -> tuple[Template, datetime]:
    """What the mailbox may get next: an invitation, or over those of a day the digest of the day."""
    soon = now + GATHERED
    at = {
        template: mails.bounded_at(session, now, address, template, earliest=soon)
        for template in (Template.INVITE, Template.INVITE_DIGEST)
    }
    first = min(at, key=lambda template: at[template])
    return first, at[first]
