"""What time does to invitations: they are reminded of, gathered into a digest, expire; each job is safe twice.

A job is two functions: who is due, and what is done about one of them, in a transaction of its own.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from identity.storage import mails, third_party_invitations
from identity.storage.invitation_events import Happened
from identity.storage.mails import Mail, MailState, Template
from identity.storage.third_party_invitations import OPEN, State, ThirdPartyInvitation
from identity.tokens import Tokens

from . import opting_out
from .invitation_states import is_open, note, where

BY = "timetable"
REMIND_AFTER = timedelta(days=7)
DIGEST_AFTER = timedelta(minutes=30)  # invitations of one list come within minutes of one another
DAY = timedelta(days=1)
OPTED_OUT = "this person does not accept invitations by mail: use another way"


def expired(session: Session, now: datetime) -> list[UUID]:
    """The invitations whose time ran out."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation.id).where(
                ThirdPartyInvitation.ended_at.is_(None),
                ThirdPartyInvitation.state.in_(OPEN),
                ThirdPartyInvitation.expires_at <= now,
            )
        )
    )


def expire(session: Session, now: datetime, invitation_id: UUID) -> bool:
    """Write down that it has ended."""
    row = _locked(session, invitation_id)
    if row is None or row.ended_at or where(row, now) is not State.EXPIRED:
        return False
    return note(session, now, row, State.EXPIRED, Happened.EXPIRED, by=BY)


def unanswered(session: Session, now: datetime) -> list[UUID]:
    """The invitations whose mail left a week ago, and that nobody was reminded of."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation.id).where(
                third_party_invitations.is_open(now),
                ThirdPartyInvitation.state == State.SENT,
                ThirdPartyInvitation.reminded_at.is_(None),
                _last_asked() <= now - REMIND_AFTER,
            )
        )
    )


def remind(session: Session, now: datetime, invitation_id: UUID) -> bool:
    """Order the one reminder; on a day when the address has had its mails, it waits."""
    row = _locked(session, invitation_id)
    if row is None or row.reminded_at or where(row, now) is not State.SENT:
        return False
    if mails.is_over_daily(session, now, row.address, Template.INVITE):
        return False
    row.reminded_at = now
    mails.order(
        session,
        now,
        template=Template.REMINDER,
        address=row.address,
        language=row.language,
        subject_id=row.id,
    )
    return note(session, now, row, None, Happened.REMINDED, by=BY)


def withheld_from(session: Session, now: datetime, address: str | None = None) -> list[str]:
    """The addresses (or whether this one is) with invitations they were not told of, and no digest for a day."""
    digest = aliased(Mail)
    told = exists().where(
        digest.address == Mail.address,
        digest.template == Template.INVITE_DIGEST,
        (digest.created_at >= Mail.created_at) | (digest.created_at > now - DAY),
    )
    query = (
        select(Mail.address)
        .join(ThirdPartyInvitation, ThirdPartyInvitation.id == Mail.subject_id)
        .where(
            Mail.template == Template.INVITE,
            Mail.state == MailState.WITHHELD,
            Mail.created_at <= now - DIGEST_AFTER,
            third_party_invitations.is_open(now),
            # One that was mailed before, or since, needs no digest.
            ThirdPartyInvitation.state == State.QUEUED,
            ~told,
        )
        .distinct()
    )
    return list(session.scalars(query if address is None else query.where(Mail.address == address)))


def order_digest(session: Session, now: datetime, address: str) -> bool:
    """One mail for all that waits; its subject is the newest."""
    mails.lock_address(session, address)
    if not withheld_from(session, now, address):
        return False
    waiting = third_party_invitations.waiting_for(session, address, now)
    if not waiting:
        return False
    for row in waiting:
        if row.state == State.QUEUED:
            note(session, now, row, None, Happened.MAILED, by=BY, detail="in one mail with others")
    mails.order(
        session,
        now,
        template=Template.INVITE_DIGEST,
        address=address,
        language=waiting[0].language,
        subject_id=waiting[0].id,
    )
    return True


def silent(session: Session, now: datetime) -> list[UUID]:
    """The invitations whose mail has not left for a day."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation.id).where(
                third_party_invitations.is_open(now),
                ThirdPartyInvitation.state == State.QUEUED,
                _last_asked() <= now - DAY,
            )
        )
    )


def tell_inviter(session: Session, tokens: Tokens, now: datetime, invitation_id: UUID) -> bool:
    """Say that the person wants no such mail, so late that nobody can try addresses out."""
    row = _locked(session, invitation_id)
    if row is None or not is_open(row, now) or row.state != State.QUEUED:
        return False
    if not opting_out.has_opted_out(session, tokens, row.address):
        return False
    return note(session, now, row, State.REFUSED, Happened.REFUSED, by=BY, detail=OPTED_OUT)


def _last_asked() -> ColumnElement[datetime]:
    return func.coalesce(ThirdPartyInvitation.asked_at, ThirdPartyInvitation.created_at)


def _locked(session: Session, invitation_id: UUID) -> ThirdPartyInvitation | None:
    row = third_party_invitations.find(session, invitation_id)
    if row is not None:
        mails.lock_address(session, row.address)
        session.refresh(row)
    return row
