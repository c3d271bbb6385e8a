"""The history of each invitation: what happened to it, when, and by whom."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.personal_data import TEXT, USER_ID

from .models import Moment, State, ThirdPartyInvitation


class Happened(StrEnum):
    """What can happen to an invitation. Events of the same moment are sorted in this order."""

    CREATED = "created"
    EXTENDED = "extended"  # invited again, or by an operator
    TAKEN_BACK = "taken_back"  # a decline was undone
    WAITS_AGAIN = "waits_again"  # the account lost the address before the homeserver was told
    MAILED = "mailed"  # a mail was ordered; its outcome is in the mail's row
    SENT = "sent"  # the relay accepted the mail
    REFUSED = "refused"  # the mailbox or its server refused it
    REMINDED = "reminded"
    ACCEPTED = "accepted"  # the invited person has an account with this address
    DELIVERED = "delivered"  # the homeserver was told
    JOINED = "joined"
    DECLINED = "declined"
    UNKNOWN_INVITER = "unknown_inviter"  # declined with "I don't know this person"
    REVOKED = "revoked"
    NOT_IN_ROOM = (
        "not_in_room"  # the room does not hold it, or nobody confirmed it: no mail was sent
    )
    EXPIRED = "expired"
    ROOM_EMPTIED = "room_emptied"  # after the end: its event in the room was cleared
    ROOM_NOT_EMPTIED = (
        "room_not_emptied"  # the inviter's homeserver could not or would not clear it
    )


class InvitationEvent(Base):
    """One event. `by`: a user ID, an operator's name, or a word such as "timetable"."""

    __tablename__ = "invitation_events"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    invitation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("third_party_invitations.id", ondelete="CASCADE")
    )
    at: Mapped[datetime]
    happened: Mapped[str]
    by: Mapped[str] = mapped_column(info=USER_ID)
    detail: Mapped[str | None] = mapped_column(info=TEXT)


Index("ix_invitation_events_invitation", InvitationEvent.invitation_id, InvitationEvent.at)
Index(
    "ix_invitation_events_unknown_inviter",
    InvitationEvent.at,
    postgresql_where=InvitationEvent.happened == Happened.UNKNOWN_INVITER.value,
    sqlite_where=InvitationEvent.happened == Happened.UNKNOWN_INVITER.value,
)


def add_event(
    session: Session,
    invitation_id: uuid.UUID,
    now: datetime,
    happened: Happened,
    *,
    by: str,
    detail: str | None = None,
) -> None:
    """Store one event; the invitation itself must be in the database already."""
    session.add(new_event(invitation_id, now, happened, by=by, detail=detail))


def new_event(
    invitation_id: uuid.UUID,
    now: datetime,
    happened: Happened,
    *,
    by: str,
    detail: str | None = None,
) -> InvitationEvent:
    """One event, for whoever inserts it with other rows."""
    return InvitationEvent(
        invitation_id=invitation_id, at=now, happened=happened, by=by, detail=detail
    )


def find_events(session: Session, invitation_id: uuid.UUID) -> list[InvitationEvent]:
    """All events of an invitation, oldest first; those of one moment in the order of `Happened`."""
    events = session.scalars(
        select(InvitationEvent).where(InvitationEvent.invitation_id == invitation_id)
    )
    order = list(Happened)
    return sorted(events, key=lambda event: (event.at, order.index(Happened(event.happened))))


def find_last_event(
    session: Session, invitation_id: uuid.UUID, *kinds: Happened
) -> InvitationEvent | None:
    """The newest event of one of these kinds."""
    found = [event for event in find_events(session, invitation_id) if event.happened in kinds]
    return found[-1] if found else None


def find_mailed(session: Session, invitation_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these invitations about which a mail was ordered at some time."""
    of_these = InvitationEvent.invitation_id.in_(invitation_ids)
    mailed = of_these & (InvitationEvent.happened == Happened.MAILED)
    return set(session.scalars(select(InvitationEvent.invitation_id).where(mailed)))


def find_mailed_times(
    session: Session, sender: str, *, for_guest: bool, since: datetime
) -> Sequence[datetime]:
    """When this inviter had mails sent to guests (or agents), first ones and repeated ones.

    Oldest first.
    """
    return session.scalars(mailed_times(sender, since, for_guest=for_guest)).all()


def mailed_times(
    sender: ColumnElement[str] | str, since: Moment, *, for_guest: ColumnElement[bool] | bool
) -> Select[datetime]:
    """The query of `find_mailed_times`."""
    return (
        select(InvitationEvent.at)
        .join(ThirdPartyInvitation, ThirdPartyInvitation.id == InvitationEvent.invitation_id)
        .where(
            ThirdPartyInvitation.sender == sender,
            ThirdPartyInvitation.for_guest == for_guest,
            InvitationEvent.happened == Happened.MAILED,
            InvitationEvent.by == sender,
            InvitationEvent.at > since,
        )
        .order_by(InvitationEvent.at)
    )


def find_times_unknown(session: Session, sender: str, since: datetime) -> Sequence[datetime]:
    """When invited people reported this inviter as unknown, and did not take it back.

    Oldest first.
    """
    return session.scalars(times_unknown(sender, since)).all()


def times_unknown(sender: ColumnElement[str] | str, since: Moment) -> Select[datetime]:
    """The query of `find_times_unknown`."""
    return (
        select(InvitationEvent.at)
        .join(ThirdPartyInvitation, ThirdPartyInvitation.id == InvitationEvent.invitation_id)
        .where(ThirdPartyInvitation.sender == sender, *_is_unknown_since(since))
        .order_by(InvitationEvent.at)
    )


def find_often_unknown(session: Session, since: datetime, most: int) -> Sequence[str]:
    """The inviters whom at least `most` invited people reported as unknown since then."""
    return session.scalars(
        select(ThirdPartyInvitation.sender)
        .join(InvitationEvent, ThirdPartyInvitation.id == InvitationEvent.invitation_id)
        .where(*_is_unknown_since(since))
        .group_by(ThirdPartyInvitation.sender)
        .having(func.count() >= most)
    ).all()


def _is_unknown_since(since: Moment) -> tuple[ColumnElement[bool], ...]:
    return (
        ThirdPartyInvitation.state == State.DECLINED,
        InvitationEvent.happened == Happened.UNKNOWN_INVITER,
        InvitationEvent.at > since,
    )
