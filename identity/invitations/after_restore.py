"""What may have been done about invitations since a loaded backup was made, so that nobody repeats it.

A service of thousands of invitations: rows are changed by statements, not one by one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, exists, insert, select
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.outbox import WAITING, Job, JobKind
from identity.mail import after_restore as mails, models as mail_models
from identity.mail.models import Mail
from identity.mail.quota import INVITING

from . import mail_grouping, models as third_party_invitations, room_agreement, schedule
from .history import Happened, InvitationEvent
from .models import Delivery, State, ThirdPartyInvitation

BY: Final = "restore"
PERHAPS_MAILED: Final = "not certain: a backup was loaded, its mail may have left before"
AT_ONCE = 1000


@dataclass(frozen=True)
class Settled:
    """What `settle` found.

    `invitations`: how many may have been mailed before. `mails`: those that wait and were ordered
    later, but tell of these: they are to be ended with the mails of before. `unmailed`: later
    invitations in mails that end, for `order_again`.
    """

    invitations: int
    mails: Sequence[uuid.UUID]
    unmailed: Sequence[uuid.UUID]


@dataclass(frozen=True)
class Told:
    """An open invitation in a mail that waits. `is_of_before`: the mail may have left before."""

    id: uuid.UUID
    mail_id: uuid.UUID
    ordered_at: datetime
    is_of_before: bool


def settle(
    session: Session, now: datetime, loaded_at: datetime, *, keeps_mails: bool = False
) -> Settled:
    """Record of each invitation of the backup that its mail may have left, unless that is certain.

    Whether the room took it is still asked, since nobody may register by one that it refused.
    `loaded_at`: what was asked for later was not in the backup. `keeps_mails`: the mails of the
    backup are sent, with all that they tell of.
    """
    told = _find_told(session, now, loaded_at)
    kept = {each.id for each in told if keeps_mails and each.ordered_at <= loaded_at}
    ending = [each for each in told if each.id not in kept]
    mailed = {each.id for each in ending if each.is_of_before}
    found = _find_unconfirmed(session, now, loaded_at)
    unconfirmed = [each for each in found if each not in mailed | kept]
    _mark_mailed(session, now, sorted(mailed), (Happened.SENT,))
    _mark_mailed(session, now, unconfirmed, (Happened.MAILED, Happened.SENT))
    tells = {each.mail_id for each in ending if each.is_of_before or each.ordered_at <= loaded_at}
    return Settled(
        len(mailed) + len(unconfirmed),
        mails=sorted({each.mail_id for each in ending if each.ordered_at > loaded_at} & tells),
        unmailed=[each.id for each in ending if each.mail_id in tells and not each.is_of_before],
    )


def order_again(session: Session, now: datetime, unmailed: Sequence[uuid.UUID]) -> None:
    """Order mails of their own for invitations whose mail was ended for the sake of others."""
    for invitation_id in unmailed:
        invitation = session.get_one(ThirdPartyInvitation, invitation_id, populate_existing=True)
        mail_models.lock_address(session, invitation.address)
        mail_grouping.join_or_order(session, now, invitation)


def settle_reminders(session: Session, now: datetime, loaded_at: datetime) -> int:
    """Invitations whose reminder was due by then: it may have been sent."""
    due = schedule.is_unanswered(loaded_at)
    return rows.update(session, ThirdPartyInvitation, due, reminded_at=now)


def make_deliveries_uncertain(session: Session, now: datetime) -> int:
    """Treat each delivery as one whose answer was lost: the next try begins with a question."""
    row = ThirdPartyInvitation
    is_due = row.delivery == Delivery.DUE
    return rows.update(session, row, is_due, delivery=Delivery.SENDING, attempted_at=now)


def _find_told(session: Session, now: datetime, loaded_at: datetime) -> list[Told]:
    """The open invitations in mails that wait."""
    row = ThirdPartyInvitation
    found = (
        select(row.id, Mail.id, Mail.created_at, _is_of_before(loaded_at))
        .where(mails.is_waiting(), Mail.template.in_(INVITING))
        .where(third_party_invitations.is_open(now))
    )
    by_mail = found.join(Mail, row.mail_id == Mail.id)
    # Mails of an older version name their invitation, and not the other way round.
    by_subject = found.join(Mail, row.id == Mail.subject_id).where(row.mail_id.is_(None))
    return [Told(*each) for query in (by_mail, by_subject) for each in session.execute(query)]


def _find_unconfirmed(session: Session, now: datetime, loaded_at: datetime) -> Sequence[uuid.UUID]:
    """The open invitations of the backup that wait for their room, or whose room is to be asked."""
    row = ThirdPartyInvitation
    waits = row.awaits.is_not(None) | _asks_room_since_before(loaded_at)
    of_backup = row.created_at <= loaded_at
    return session.scalars(
        select(row.id).where(of_backup, waits, third_party_invitations.is_open(now))
    ).all()


def _is_of_before(loaded_at: datetime) -> ColumnElement[bool]:
    """Whether the backup had it, and knew a mail to be on its way, or to be due.

    One whose mail was ordered before and again later was asked for again.
    """
    event = InvitationEvent
    mailed = exists().where(
        event.invitation_id == ThirdPartyInvitation.id, event.happened == Happened.MAILED
    )
    again = mailed.where(event.at <= loaded_at) & mailed.where(event.at > loaded_at)
    return (ThirdPartyInvitation.created_at <= loaded_at) & (
        ~again | _asks_room_since_before(loaded_at)
    )


def _asks_room_since_before(loaded_at: datetime) -> ColumnElement[bool]:
    """Whether the job of the backup waits that asks its room; a request later adds another."""
    waiting = select(Job.subject_id).where(
        Job.kind == JobKind.ROOM_TOOK, WAITING, Job.created_at <= loaded_at + room_agreement.GRACE
    )
    return ThirdPartyInvitation.id.in_(waiting)


def _mark_mailed(
    session: Session, now: datetime, found: Sequence[uuid.UUID], happened: Sequence[Happened]
) -> None:
    """Record that their mail may have left. `happened`: also that it was ordered, if it was not."""
    row = ThirdPartyInvitation
    for begin in range(0, len(found), AT_ONCE):
        some = found[begin : begin + AT_ONCE]
        rows.update(session, row, row.id.in_(some), state=State.SENT)
        session.execute(insert(InvitationEvent), _events(some, now, happened))


def _events(
    ids: Sequence[uuid.UUID], now: datetime, happened: Sequence[Happened]
) -> list[dict[str, object]]:
    return [
        {
            "id": uuid.uuid4(),
            "invitation_id": each,
            "at": now,
            "happened": what,
            "by": BY,
            "detail": PERHAPS_MAILED,
        }
        for each in ids
        for what in happened
    ]
