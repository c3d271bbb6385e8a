"""What happens to invitations as time passes: expiry, overdue room checks, reminders, refusals.

Each task is two functions: one finds what is due, the other handles one of it in a transaction of
its own. All are safe to run twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails

from . import (
    mail_grouping,
    models as third_party_invitations,
    opting_out,
    room_agreement,
    search as invitation_search,
)
from .history import Happened
from .models import OPEN, State, ThirdPartyInvitation
from .states import is_open, record_event, state_of

BY = "timetable"
REMIND_AFTER = timedelta(days=7)
DAY = timedelta(days=1)
OPTED_OUT = "this person does not accept invitations by mail: use another way"


def find_expired(session: Session, now: datetime) -> Sequence[UUID]:
    """The invitations whose time has passed and that are not recorded as expired."""
    return session.scalars(
        select(ThirdPartyInvitation.id).where(
            ThirdPartyInvitation.ended_at.is_(None),
            ThirdPartyInvitation.state.in_(OPEN),
            ThirdPartyInvitation.expires_at <= now,
        )
    ).all()


def expire(session: Session, now: datetime, invitation_id: UUID) -> bool:
    """Record that it expired."""
    row = _lock(session, invitation_id)
    if row is None or row.ended_at or state_of(row, now) is not State.EXPIRED:
        return False
    return record_event(session, now, row, State.EXPIRED, Happened.EXPIRED, by=BY)


def find_unasked(session: Session, now: datetime, *, but_not: Select[UUID | None]) -> list[UUID]:
    """Unconfirmed invitations whose room no job is about to ask.

    That happens when an older worker gave up a job it did not know. `but_not`: invitations of bulk
    invites that are being placed.
    """
    return invitation_search.find_unasked(session, now - room_agreement.LATE, but_not=but_not)


def order_room_check(session: Session, now: datetime, invitation_id: UUID) -> bool:
    """Enqueue the job that asks its room."""
    row = _lock(session, invitation_id)
    if row is None or not room_agreement.is_open_question(session, now, row):
        return False
    room_agreement.order_room_check(session, now, row)
    return True


def find_unanswered(session: Session, now: datetime) -> list[str]:
    """Addresses with unanswered invitations that were mailed a week ago, without a reminder yet.

    Addresses without a tag come first: invented tags must not delay the mailbox's own.
    """
    return sorted(
        session.scalars(select(ThirdPartyInvitation.address).where(is_unanswered(now)).distinct()),
        key=lambda address: (mails.mailbox_of(address) != address, address),
    )


def remind(
    session: Session, now: datetime, address: str, *, hashes: KeyedHashes | None = None
) -> bool:
    """Order one reminder of everything due for the address; returns whether anything was settled.

    With `hashes`, invitations of unwanted senders are recorded like all others, but nothing is
    ordered for them.
    """
    mails.lock_address(session, address)
    due = list(
        session.scalars(
            select(ThirdPartyInvitation)
            .where(ThirdPartyInvitation.address == address, is_unanswered(now))
            .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
        )
    )
    reminded = mail_grouping.order_reminder(session, now, due, hashes)
    for row in reminded:
        row.reminded_at = now
        record_event(session, now, row, None, Happened.REMINDED, by=BY)
    return bool(reminded)


def find_silent(session: Session, now: datetime) -> Sequence[UUID]:
    """The invitations whose mail was requested a day ago and is not sent."""
    return session.scalars(
        select(ThirdPartyInvitation.id).where(
            third_party_invitations.is_open(now),
            ThirdPartyInvitation.state == State.QUEUED,
            _last_asked() <= now - DAY,
        )
    ).all()


def tell_inviter(session: Session, hashes: KeyedHashes, now: datetime, invitation_id: UUID) -> bool:
    """Record that the person wants no such mails, from anybody or from this sender.

    It is recorded a day late, so that nobody can probe addresses.
    """
    row = _lock(session, invitation_id)
    if row is None or not is_open(row, now) or row.state != State.QUEUED:
        return False
    if not opting_out.is_unwanted(session, hashes, address=row.address, sender=row.sender):
        return False
    return record_event(session, now, row, State.REFUSED, Happened.REFUSED, by=BY, detail=OPTED_OUT)


def is_unanswered(now: datetime) -> ColumnElement[bool]:
    """SQL condition: mailed a week ago, and neither answered nor reminded."""
    return (
        third_party_invitations.is_open(now)
        & (ThirdPartyInvitation.state == State.SENT)
        & ThirdPartyInvitation.reminded_at.is_(None)
        & (_last_asked() <= now - REMIND_AFTER)
    )


def _last_asked() -> ColumnElement[datetime]:
    return func.coalesce(ThirdPartyInvitation.asked_at, ThirdPartyInvitation.created_at)


def _lock(session: Session, invitation_id: UUID) -> ThirdPartyInvitation | None:
    row = third_party_invitations.find(session, invitation_id)
    if row is not None:
        mails.lock_address(session, row.address)
        session.refresh(row)
    return row
