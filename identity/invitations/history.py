"""The history of invitations: what happened to each, when, and by whom."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base

from .models import State, ThirdPartyInvitation


class Happened(StrEnum):
    """One word for each thing that can happen to an invitation; of one moment, in the order of the history."""

    CREATED = "created"
    EXTENDED = "extended"  # invited again, or by an operator
    TAKEN_BACK = "taken_back"  # a decline was a slip
    WAITS_AGAIN = "waits_again"  # the account gave the address up before the homeserver was told
    MAILED = "mailed"  # a mail was ordered; how it ended stands with the mail
    SENT = "sent"  # the relay took the mail
    REFUSED = "refused"  # the mailbox or its server did not
    REMINDED = "reminded"
    ACCEPTED = "accepted"  # the invited person has an account with this address
    DELIVERED = "delivered"  # the homeserver was told
    JOINED = "joined"
    DECLINED = "declined"
    UNKNOWN_INVITER = "unknown_inviter"  # declined, with "I don't know this person"
    REVOKED = "revoked"
    NOT_IN_ROOM = "not_in_room"  # the room did not take it, as far as anybody says: no mail left
    EXPIRED = "expired"
    ROOM_EMPTIED = "room_emptied"  # after the end: its event in the room holds no keys any more
    ROOM_NOT_EMPTIED = "room_not_emptied"  # the inviter's homeserver could not, or would not


class InvitationEvent(Base):
    """One line of the history. `by`: a user ID, an operator's name, or a word such as "timetable"."""

    __tablename__ = "invitation_events"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    invitation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("third_party_invitations.id", ondelete="CASCADE")
    )
    at: Mapped[datetime]
    happened: Mapped[str]
    by: Mapped[str]
    detail: Mapped[str | None]


Index("ix_invitation_events_invitation", InvitationEvent.invitation_id, InvitationEvent.at)
Index(
    "ix_invitation_events_unknown_inviter",
    InvitationEvent.at,
    postgresql_where=InvitationEvent.happened == Happened.UNKNOWN_INVITER.value,
    sqlite_where=InvitationEvent.happened == Happened.UNKNOWN_INVITER.value,
)


def add(
    session: Session,
    invitation_id: uuid.UUID,
    now: datetime,
    happened: Happened,
    *,
    by: str,
    detail: str | None = None,
) -> None:
    """Write one line; the invitation must stand in the database already."""
    session.add(
        InvitationEvent(
            invitation_id=invitation_id, at=now, happened=happened, by=by, detail=detail
        )
    )


def of_invitation(session: Session, invitation_id: uuid.UUID) -> list[InvitationEvent]:
    """The whole history, oldest first; what happened at one moment, in the order things take."""
    events = session.scalars(
        select(InvitationEvent).where(InvitationEvent.invitation_id == invitation_id)
    )
    order = list(Happened)
    return sorted(events, key=lambda event: (event.at, order.index(Happened(event.happened))))


def last(session: Session, invitation_id: uuid.UUID, *kinds: Happened) -> InvitationEvent | None:
    """The newest line of one of these kinds."""
    found = [event for event in of_invitation(session, invitation_id) if event.happened in kinds]
    return found[-1] if found else None


def mailed_times(
    session: Session, sender: str, *, for_guest: bool, since: datetime
) -> list[datetime]:
    """When this inviter had guests, or agents, told of invitations, anew or again; oldest first."""
    return list(
        session.scalars(
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
    )


def unknown_to(session: Session, sender: str, since: datetime) -> list[datetime]:
    """When invited people last said that they do not know this inviter, and left it at that; oldest first."""
    return list(
        session.scalars(
            select(InvitationEvent.at)
            .join(ThirdPartyInvitation, ThirdPartyInvitation.id == InvitationEvent.invitation_id)
            .where(
                ThirdPartyInvitation.sender == sender,
                ThirdPartyInvitation.state == State.DECLINED,
                InvitationEvent.happened == Happened.UNKNOWN_INVITER,
                InvitationEvent.at > since,
            )
            .order_by(InvitationEvent.at)
        )
    )


def often_unknown(session: Session, since: datetime, most: int) -> list[str]:
    """The inviters of whom so many invited people said that, and left it at that."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation.sender)
            .join(InvitationEvent, ThirdPartyInvitation.id == InvitationEvent.invitation_id)
            .where(
                ThirdPartyInvitation.state == State.DECLINED,
                InvitationEvent.happened == Happened.UNKNOWN_INVITER,
                InvitationEvent.at > since,
            )
            .group_by(ThirdPartyInvitation.sender)
            .having(func.count() >= most)
        )
    )
