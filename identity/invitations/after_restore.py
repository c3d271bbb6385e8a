"""What may have been done about invitations since a loaded backup was made, so that nobody repeats it.

A service of thousands of invitations: rows are changed by statements, not one by one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Row, func, insert, select
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.outbox import WAITING, Job, JobKind
from identity.mail import after_restore as mails
from identity.mail.models import Mail
from identity.mail.quota import INVITING

from . import models as third_party_invitations, schedule
from .history import Happened, InvitationEvent
from .models import Delivery, State, ThirdPartyInvitation

BY: Final = "restore"
PERHAPS_MAILED: Final = "not certain: a backup was loaded, its mail may have left before"
AT_ONCE = 1000


@dataclass(frozen=True)
class Settled:
    """How many invitations may have been mailed before, and what becomes of mails that wait.

    `stay`: mails ordered before that tell of later invitations as well, and now of these alone.
    `end`: mails ordered later that tell of earlier invitations alone.
    """

    invitations: int
    stay: frozenset[uuid.UUID] = frozenset()
    end: frozenset[uuid.UUID] = frozenset()


def settle(
    session: Session, now: datetime, loaded_at: datetime, *, keeps_mails: bool = False
) -> Settled:
    """Record of each invitation of the backup that its mail may have left, unless that is certain.

    Whether the room took it is still asked, since nobody may register by one that it refused.
    `loaded_at`: what was asked for later was not in the backup. `keeps_mails`: the mails of the
    backup are sent, and those who are told by them are left as they are.
    """
    told = _find_told(session, now, loaded_at, only_later=keeps_mails)
    before = {each.id for each in told if each.is_of_before}
    found = _find_unconfirmed(session, now, loaded_at)
    unconfirmed = [each for each in found if each not in before]
    _mark_mailed(session, now, sorted(before), (Happened.SENT,))
    _mark_mailed(session, now, unconfirmed, (Happened.MAILED, Happened.SENT))
    about_later = {each.mail_id: each.id for each in told if not each.is_of_before}
    for each in told:
        if each.is_of_before and each.mail_id in about_later:
            _take_out(session, each.id, each.mail_id, about_later[each.mail_id])
    ordered_later = {each.mail_id for each in told if each.ordered_at > loaded_at}
    return Settled(
        len(before) + len(unconfirmed),
        stay=frozenset(about_later.keys() - ordered_later),
        end=frozenset(ordered_later - about_later.keys()),
    )


def settle_reminders(session: Session, now: datetime, loaded_at: datetime) -> int:
    """Invitations whose reminder was due by then: it may have been sent."""
    due = schedule.is_unanswered(loaded_at)
    return rows.update(session, ThirdPartyInvitation, due, reminded_at=now)


def make_deliveries_uncertain(session: Session, now: datetime) -> int:
    """Treat each delivery as one whose answer was lost: the next try begins with a question."""
    row = ThirdPartyInvitation
    is_due = row.delivery == Delivery.DUE
    return rows.update(session, row, is_due, delivery=Delivery.SENDING, attempted_at=now)


def _find_told(
    session: Session, now: datetime, loaded_at: datetime, *, only_later: bool
) -> Sequence[Row[uuid.UUID, uuid.UUID, datetime, bool]]:
    """The open invitations in mails that wait: id, mail_id, ordered_at, is_of_before.

    `only_later`: in mails that were ordered later.
    One that was never mailed is of before if the backup had it, whoever asked again since. One that
    was mailed long ago is if what ordered this mail was asked for before.
    """
    row = ThirdPartyInvitation
    was_asked = _asked_by(loaded_at) & ((Mail.created_at <= loaded_at) | _waits_for_room())
    is_of_before = (row.created_at <= loaded_at) & ((row.state == State.QUEUED) | was_asked)
    # Mails of an older version name their invitation, and not the other way round.
    named = (row.mail_id == Mail.id) | (row.mail_id.is_(None) & (row.id == Mail.subject_id))
    return session.execute(
        select(
            row.id,
            Mail.id.label("mail_id"),
            Mail.created_at.label("ordered_at"),
            is_of_before.label("is_of_before"),
        )
        .join(Mail, named)
        .where(mails.is_waiting(), Mail.template.in_(INVITING))
        .where(third_party_invitations.is_open(now))
        .where(*([Mail.created_at > loaded_at] if only_later else []))
    ).all()


def _find_unconfirmed(session: Session, now: datetime, loaded_at: datetime) -> Sequence[uuid.UUID]:
    """The open invitations of the backup that wait for their room, or may do so."""
    row = ThirdPartyInvitation
    is_of_before = (row.created_at <= loaded_at) & (
        (row.state == State.QUEUED) | _asked_by(loaded_at)
    )
    waits = row.awaits.is_not(None) | _waits_for_room()
    return session.scalars(
        select(row.id).where(is_of_before, waits, third_party_invitations.is_open(now))
    ).all()


def _asked_by(moment: datetime) -> ColumnElement[bool]:
    row = ThirdPartyInvitation
    return func.coalesce(row.asked_at, row.created_at) <= moment


def _waits_for_room() -> ColumnElement[bool]:
    waiting = select(Job.subject_id).where(Job.kind == JobKind.ROOM_TOOK, WAITING)
    return ThirdPartyInvitation.id.in_(waiting)


def _take_out(
    session: Session, invitation_id: uuid.UUID, mail_id: uuid.UUID, other: uuid.UUID
) -> None:
    """Let a mail tell no more of an invitation; it is about the other one."""
    row = ThirdPartyInvitation
    rows.update(session, row, row.id == invitation_id, mail_id=None)
    rows.update(session, Mail, Mail.id == mail_id, subject_id=other)


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
