"""What may have been done about invitations since a loaded backup was made, so that nobody repeats it.

A service of thousands of invitations: rows are changed by statements, not one by one.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.outbox import WAITING, Job, JobKind
from identity.mail.models import Mail
from identity.mail.quota import INVITING

from . import models as third_party_invitations, schedule
from .history import Happened, InvitationEvent
from .models import Delivery, State, ThirdPartyInvitation

BY: Final = "restore"
PERHAPS_MAILED: Final = "not certain: a backup was loaded, its mail may have left before"
AT_ONCE = 1000


def settle_unconfirmed(session: Session, now: datetime, before: datetime) -> int:
    """Invitations that waited for their room: whatever it says, their mail is not sent again.

    Whether the room took them is still asked, since nobody may register by one that it refused.
    """
    row = ThirdPartyInvitation
    waiting = select(Job.subject_id).where(Job.kind == JobKind.ROOM_TOOK, WAITING)
    asked = row.awaits.is_not(None) | row.id.in_(waiting)
    return _mark_mailed(session, now, asked & (row.created_at <= before), with_order=True)


def settle_mailed(session: Session, now: datetime, mails: ColumnElement[bool]) -> int:
    """Invitations whose mails waited; `mails`: the condition of these mails."""
    row = ThirdPartyInvitation
    named = select(Mail.id).where(mails, Mail.template.in_(INVITING))
    # Mails of an older version name their invitation, and not the other way round.
    subjects = select(Mail.subject_id).where(mails, Mail.template.in_(INVITING))
    return _mark_mailed(session, now, row.mail_id.in_(named) | row.id.in_(subjects))


def settle_reminders(session: Session, now: datetime) -> int:
    """Invitations whose reminder was due before now: it may have been sent."""
    return rows.update(session, ThirdPartyInvitation, schedule.is_unanswered(now), reminded_at=now)


def make_deliveries_uncertain(session: Session, now: datetime) -> int:
    """Treat each delivery as one whose answer was lost: the next try begins with a question."""
    row = ThirdPartyInvitation
    is_due = row.delivery == Delivery.DUE
    return rows.update(session, row, is_due, delivery=Delivery.SENDING, attempted_at=now)


def _mark_mailed(
    session: Session, now: datetime, which: ColumnElement[bool], *, with_order: bool = False
) -> int:
    """Record that their mail may have left. `with_order`: no mail was ordered yet."""
    row = ThirdPartyInvitation
    found = session.scalars(select(row.id).where(which, third_party_invitations.is_open(now))).all()
    happened = (Happened.MAILED, Happened.SENT) if with_order else (Happened.SENT,)
    for begin in range(0, len(found), AT_ONCE):
        some = found[begin : begin + AT_ONCE]
        rows.update(session, row, row.id.in_(some), state=State.SENT)
        session.execute(insert(InvitationEvent), _events(some, now, happened))
    return len(found)


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
