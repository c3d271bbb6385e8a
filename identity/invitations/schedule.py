"""What time does to invitations: their rooms are asked, they are reminded of, expire; each job is safe twice.

A job is two functions: who is due, and what is done about one of them, in a transaction of its own.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails

from . import mail_grouping as invitation_mails
from . import models as third_party_invitations
from . import opting_out, room_agreement
from . import search as invitation_search
from .history import Happened
from .models import OPEN, State, ThirdPartyInvitation
from .states import is_open, record, state_of

BY = "timetable"
REMIND_AFTER = timedelta(days=7)
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
    if row is None or row.ended_at or state_of(row, now) is not State.EXPIRED:
        return False
    return record(session, now, row, State.EXPIRED, Happened.EXPIRED, by=BY)


def unasked(session: Session, now: datetime, *, but_not: Select[UUID | None]) -> list[UUID]:
    """The invitations whose room nobody asks any more: a worker of before gave the job up, which it did not know."""
    return invitation_search.nobody_asks(session, now - room_agreement.LATE, but_not=but_not)


def ask(session: Session, now: datetime, invitation_id: UUID) -> bool:
    """See that its room is asked."""
    row = _locked(session, invitation_id)
    if row is None or not room_agreement.is_open_question(session, now, row):
        return False
    room_agreement.begin(session, now, row)
    return True


def unanswered(session: Session, now: datetime) -> list[str]:
    """The addresses with invitations whose mail left a week ago, and that nobody was reminded of.

    Those spelled as the mailbox is named come first: whoever invents further spellings does not delay its own.
    """
    return sorted(
        session.scalars(select(ThirdPartyInvitation.address).where(_is_unanswered(now)).distinct()),
        key=lambda address: (mails.mailbox_of(address) != address, address),
    )


def remind(
    session: Session, now: datetime, address: str, *, hashes: KeyedHashes | None = None
) -> bool:
    """One reminder of all that is due for the address; if its mailbox has had its mails, it waits.

    With `hashes` those of senders it does not want are noted as all others, and nothing is ordered.
    """
    mails.lock_address(session, address)
    due = list(
        session.scalars(
            select(ThirdPartyInvitation)
            .where(ThirdPartyInvitation.address == address, _is_unanswered(now))
            .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
        )
    )
    reminded = invitation_mails.remind(session, now, due, hashes)
    for row in reminded:
        row.reminded_at = now
        record(session, now, row, None, Happened.REMINDED, by=BY)
    return bool(reminded)


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


def tell_inviter(session: Session, hashes: KeyedHashes, now: datetime, invitation_id: UUID) -> bool:
    """Say that the person wants no such mail, of nobody or of this one, so late that nobody can try addresses out."""
    row = _locked(session, invitation_id)
    if row is None or not is_open(row, now) or row.state != State.QUEUED:
        return False
    if not opting_out.is_unwanted(session, hashes, address=row.address, sender=row.sender):
        return False
    return record(session, now, row, State.REFUSED, Happened.REFUSED, by=BY, detail=OPTED_OUT)


def _is_unanswered(now: datetime) -> ColumnElement[bool]:
    return (
        third_party_invitations.is_open(now)
        & (ThirdPartyInvitation.state == State.SENT)
        & ThirdPartyInvitation.reminded_at.is_(None)
        & (_last_asked() <= now - REMIND_AFTER)
    )


def _last_asked() -> ColumnElement[datetime]:
    return func.coalesce(ThirdPartyInvitation.asked_at, ThirdPartyInvitation.created_at)


def _locked(session: Session, invitation_id: UUID) -> ThirdPartyInvitation | None:
    row = third_party_invitations.find(session, invitation_id)
    if row is not None:
        mails.lock_address(session, row.address)
        session.refresh(row)
    return row
