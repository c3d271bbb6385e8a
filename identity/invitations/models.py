"""Third-party invitations: rooms an address was invited to before anybody was known to have it."""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ColumnElement, Index, exists, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.sealing import SEALED


class Delivery(StrEnum):
    """How far the homeserver of whoever bound the address has been told."""

    WAITING = "waiting"  # nobody has the address yet
    DUE = "due"  # somebody has: the homeserver is to be told
    SENDING = "sending"  # written before the call: if it stays, nobody knows how the call ended
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"  # needless: another was delivered, or the person is in the room
    DEAD = "dead"  # no further try without a person


class State(StrEnum):
    """Where an invitation stands for people. `joined` and `declined` only as far as somebody told us."""

    QUEUED = "queued"
    SENT = "sent"  # the relay took the mail
    REFUSED = "refused"  # the mailbox or its server did not
    ACCEPTED = "accepted"  # the invited person has an account with the address
    DELIVERED = "delivered"
    JOINED = "joined"
    DECLINED = "declined"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Awaits(StrEnum):
    """What shows that the room took an invitation, see invitations/room_agreement.py."""

    REPORT = "report"  # the homeserver's module tells, or says so when it is asked
    GRACE = "grace"  # nobody tells: a moment has to pass


# Nobody has answered yet: only these run out by time.
OPEN = (State.QUEUED, State.SENT, State.REFUSED)


class ThirdPartyInvitation(Base):
    """One invitation as a homeserver stored it here. Rooms are opaque: whatever text names one."""

    __tablename__ = "third_party_invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str]  # some time after the end a keyed hash of it, which has no "@"
    room_id: Mapped[str]
    sender: Mapped[str]
    token: Mapped[str] = mapped_column(unique=True)  # the state key in the room
    public_key: Mapped[str] = mapped_column(unique=True)  # ephemeral, as it was given out
    sealed_key: Mapped[str] = mapped_column(info=SEALED)  # its private half
    signing_key_id: Mapped[str]  # the long-term key whose public half the room holds
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # names and pictures, for the mail
    for_guest: Mapped[bool]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    delivery: Mapped[str] = mapped_column(default=Delivery.WAITING)
    invitee: Mapped[str | None]  # the user ID that bound the address
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    state: Mapped[str] = mapped_column(default=State.QUEUED, server_default=State.QUEUED)
    language: Mapped[str] = mapped_column(default="", server_default="")  # of its mails; "": both
    asked_at: Mapped[datetime | None]  # when it was last asked for: created, or invited again
    ended_at: Mapped[datetime | None]  # declined, revoked or expired; null: it is live
    reminded_at: Mapped[datetime | None]
    mail_id: Mapped[uuid.UUID | None]  # the latest mail that tells of it, perhaps with others
    awaits: Mapped[str | None]  # until its room is seen to have it; null: it has

    @property
    def last_asked(self) -> datetime:
        """When somebody invited, or invited again."""
        return self.asked_at or self.created_at


Index(
    "ix_third_party_invitations_address",
    ThirdPartyInvitation.address,
    ThirdPartyInvitation.created_at,
)
Index(
    "ix_third_party_invitations_sender",
    ThirdPartyInvitation.sender,
    ThirdPartyInvitation.created_at,
)
Index("ix_third_party_invitations_delivery", ThirdPartyInvitation.delivery)
Index("ix_third_party_invitations_mail", ThirdPartyInvitation.mail_id)


def find(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation | None:
    return session.get(ThirdPartyInvitation, invitation_id)


def by_token(session: Session, token: str) -> ThirdPartyInvitation | None:
    return session.scalars(
        select(ThirdPartyInvitation).where(ThirdPartyInvitation.token == token)
    ).one_or_none()


def is_open(now: datetime) -> ColumnElement[bool]:
    """Nobody has answered, and it is still time to."""
    return (
        ThirdPartyInvitation.ended_at.is_(None)
        & ThirdPartyInvitation.state.in_(OPEN)
        & (ThirdPartyInvitation.expires_at > now)
    )


def is_live(now: datetime) -> ColumnElement[bool]:
    """Open, or taken up and on its way to the room."""
    return is_open(now) | (
        ThirdPartyInvitation.ended_at.is_(None) & (ThirdPartyInvitation.state == State.ACCEPTED)
    )


def waiting_for(session: Session, address: str, now: datetime) -> list[ThirdPartyInvitation]:
    """The live invitations nobody has taken yet and that their rooms have, newest first."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation)
            .where(
                ThirdPartyInvitation.address == address,
                ThirdPartyInvitation.delivery == Delivery.WAITING,
                ThirdPartyInvitation.awaits.is_(None),
                is_open(now),
            )
            .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
        )
    )


def of_mail(session: Session, mail_id: uuid.UUID) -> list[ThirdPartyInvitation]:
    """Those whose latest mail this is, newest first."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation)
            .where(ThirdPartyInvitation.mail_id == mail_id)
            .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
        )
    )


def is_invited(session: Session, address: str, now: datetime) -> bool:
    """Whether a live invitation waits for this address."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    ThirdPartyInvitation.address == address,
                    ThirdPartyInvitation.delivery == Delivery.WAITING,
                    ThirdPartyInvitation.awaits.is_(None),
                    is_open(now),
                )
            )
        )
    )


def live_of(
    session: Session, now: datetime, *, address: str, room_id: str, sender: str
) -> ThirdPartyInvitation | None:
    """The one live invitation of this inviter to this room for this address."""
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.room_id == room_id,
            ThirdPartyInvitation.sender == sender,
            is_live(now),
        )
        .order_by(ThirdPartyInvitation.created_at.desc())
        .limit(1)
    ).one_or_none()


def oldest_live(session: Session, now: datetime, address: str) -> ThirdPartyInvitation | None:
    """Who invited first, of those whose invitations stand."""
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.awaits.is_(None),
            is_live(now),
        )
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
        .limit(1)
    ).one_or_none()


def ephemeral_key_is_valid(session: Session, public_key: str, now: datetime) -> bool:
    """Whether this exact text is a key that store-invite gave out, for an invitation that has not ended."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    ThirdPartyInvitation.public_key == public_key,
                    ThirdPartyInvitation.ended_at.is_(None),
                    ThirdPartyInvitation.state.not_in(OPEN) | is_open(now),
                )
            )
        )
    )


def same_room(session: Session, invitation: ThirdPartyInvitation) -> list[ThirdPartyInvitation]:
    """The other invitations of the same address to the same room."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation).where(
                ThirdPartyInvitation.address == invitation.address,
                ThirdPartyInvitation.room_id == invitation.room_id,
                ThirdPartyInvitation.id != invitation.id,
            )
        )
    )


def sent_times(
    session: Session, sender: str, *, for_guest: bool, since: datetime
) -> list[datetime]:
    """When this sender invited guests, or agents; oldest first."""
    return list(
        session.scalars(
            select(ThirdPartyInvitation.created_at)
            .where(
                ThirdPartyInvitation.sender == sender,
                ThirdPartyInvitation.for_guest == for_guest,
                ThirdPartyInvitation.created_at > since,
            )
            .order_by(ThirdPartyInvitation.created_at)
        )
    )


def enter(
    session: Session,
    invitation: ThirdPartyInvitation,
    *,
    source: Collection[State],
    to: State,
    ended_at: datetime | None,
) -> bool:
    """Change the state if it is still one of `source`: of several at once, one wins and is told True."""
    won = session.scalar(
        update(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.id == invitation.id, ThirdPartyInvitation.state.in_(source))
        .values(state=to, ended_at=ended_at)
        .returning(ThirdPartyInvitation.id)
        .execution_options(synchronize_session=False)
    )
    if invitation in session:
        session.refresh(invitation)
    return won is not None


def move(
    session: Session,
    invitation: ThirdPartyInvitation,
    *,
    source: tuple[Delivery, ...],
    to: Delivery,
    **values: object,
) -> bool:
    """Change the delivery if it is still `source`: of several at once, one wins and is told True."""
    won = session.scalar(
        update(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.id == invitation.id, ThirdPartyInvitation.delivery.in_(source))
        .values(delivery=to, **values)
        .returning(ThirdPartyInvitation.id)
        .execution_options(synchronize_session=False)
    )
    return won is not None


def recent(session: Session, *, limit: int = 50) -> list[ThirdPartyInvitation]:
    """The newest invitations, whatever became of them."""
    newest = select(ThirdPartyInvitation).order_by(ThirdPartyInvitation.created_at.desc())
    return list(session.scalars(newest.limit(limit)))


def counts(session: Session) -> dict[str, int]:
    """How many invitations stand at each delivery."""
    rows = session.execute(
        select(ThirdPartyInvitation.delivery, func.count()).group_by(ThirdPartyInvitation.delivery)
    )
    return {delivery: count for delivery, count in rows}  # noqa: C416  rows are not tuples to mypy
