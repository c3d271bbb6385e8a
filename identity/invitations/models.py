"""Third-party invitations in the database: rooms to which an email address was invited."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Index, Select, false, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import foreseen, rows
from identity.core.address_domains import domain_of, name_of
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, TEXT, USER_ID
from identity.core.sealed_columns import SEALED
from identity.core.user_servers import server_of

Moment = datetime | ColumnElement[datetime]
"""A moment in a condition: known now, or named and given with each execution."""


class Delivery(StrEnum):
    """How far the delivery to the homeserver of the invited person has come."""

    WAITING = "waiting"  # nobody has the address yet
    DUE = "due"  # somebody has it: the homeserver is to be told
    SENDING = "sending"  # set before the call: if it stays, the outcome of the call is unknown
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"  # unnecessary: another was delivered, or the person is in the room
    DEAD = "dead"  # given up until an operator tries again


class State(StrEnum):
    """Where an invitation stands for people. `joined` and `declined` are known only if reported."""

    QUEUED = "queued"
    SENT = "sent"  # the relay accepted the mail
    REFUSED = "refused"  # the mailbox or its server refused it
    ACCEPTED = "accepted"  # the invited person has an account with the address
    DELIVERED = "delivered"
    JOINED = "joined"
    DECLINED = "declined"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Awaits(StrEnum):
    """What must confirm that the room holds an invitation, see `room_agreement.py`."""

    REPORT = "report"  # the homeserver's module reports it, or answers when asked
    GRACE = "grace"  # no module there: a short time has to pass


# Unanswered states: only these expire.
OPEN = (State.QUEUED, State.SENT, State.REFUSED)
TAKEN_UP = (State.ACCEPTED, State.DELIVERED, State.JOINED)


class ThirdPartyInvitation(Base):
    """One invitation as a homeserver stored it. Room IDs are opaque text."""

    __tablename__ = "third_party_invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(
        info=ADDRESS
    )  # some time after the end: a keyed hash of it, without "@"
    room_id: Mapped[str]
    sender: Mapped[str] = mapped_column(info=USER_ID)
    token: Mapped[str] = mapped_column(unique=True)  # the state key in the room
    public_key: Mapped[str] = mapped_column(unique=True)  # ephemeral, as store-invite returned it
    sealed_key: Mapped[str] = mapped_column(info=SEALED)  # its private half
    signing_key_id: Mapped[str]  # the long-term key whose public half the room holds
    facts: Mapped[dict[str, Any]] = mapped_column(
        JSON, info=TEXT
    )  # names and pictures for the mail
    for_guest: Mapped[bool]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    delivery: Mapped[str] = mapped_column(default=Delivery.WAITING)
    invitee: Mapped[str | None] = mapped_column(info=USER_ID)  # the user ID that bound the address
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(info=TEXT)
    state: Mapped[str] = mapped_column(default=State.QUEUED, server_default=State.QUEUED)
    language: Mapped[str] = mapped_column(default="", server_default="")  # of its mails; "": all
    asked_at: Mapped[datetime | None]  # last requested: created, or invited again
    ended_at: Mapped[datetime | None]  # declined, revoked or expired; null: live
    reminded_at: Mapped[datetime | None]
    mail_id: Mapped[uuid.UUID | None]  # the latest mail about it, perhaps with others
    # Placed for a list of people: it counts in the quota of its organisation, not in the inviter's.
    by_list: Mapped[bool] = mapped_column(default=False, server_default=false())
    awaits: Mapped[str | None]  # until the room is known to hold it; null: it does

    @property
    def last_asked(self) -> datetime:
        """When the inviter last requested it: created, or invited again."""
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
IN_MAIL: Final = "invitations of a mail"
ORDER = (ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
Index("ix_third_party_invitations_created", *ORDER)
Index("ix_third_party_invitations_delivery", ThirdPartyInvitation.delivery, *ORDER)
Index("ix_third_party_invitations_domain", domain_of(ThirdPartyInvitation.address), *ORDER)
Index("ix_third_party_invitations_name", name_of(ThirdPartyInvitation.address))
Index("ix_third_party_invitations_homeserver", server_of(ThirdPartyInvitation.sender), *ORDER)
Index(
    "ix_third_party_invitations_invitee",
    server_of(ThirdPartyInvitation.invitee),
    ThirdPartyInvitation.delivery,
    *ORDER,
)
Index("ix_third_party_invitations_room", ThirdPartyInvitation.room_id, *ORDER)
Index("ix_third_party_invitations_standing", ThirdPartyInvitation.state, *ORDER)
Index("ix_third_party_invitations_mail", ThirdPartyInvitation.mail_id)
# One that ended before its room was known to have it keeps what it waited for.
AWAITED = ThirdPartyInvitation.awaits.is_not(None) & ThirdPartyInvitation.ended_at.is_(None)
Index(
    "ix_third_party_invitations_held",
    ThirdPartyInvitation.created_at,
    postgresql_where=AWAITED,
    sqlite_where=AWAITED,
)
# Counted by every scrape of /metrics.
Index(
    "ix_third_party_invitations_state", ThirdPartyInvitation.state, ThirdPartyInvitation.expires_at
)


def find(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation | None:
    return session.get(ThirdPartyInvitation, invitation_id)


def find_by_token(session: Session, token: str) -> ThirdPartyInvitation | None:
    """The invitation with this token (the state key of its event in the room)."""
    return session.scalar(select(ThirdPartyInvitation).where(ThirdPartyInvitation.token == token))


def is_open(
    now: Moment, row: type[ThirdPartyInvitation] = ThirdPartyInvitation
) -> ColumnElement[bool]:
    """SQL condition: unanswered and not expired. `row`: the table, or another name of it."""
    return row.ended_at.is_(None) & row.state.in_(OPEN) & (row.expires_at > now)


def is_live(
    now: Moment, row: type[ThirdPartyInvitation] = ThirdPartyInvitation
) -> ColumnElement[bool]:
    """SQL condition: open, or accepted and on its way to the room. `row`: as in `is_open`."""
    return is_open(now, row) | (row.ended_at.is_(None) & (row.state == State.ACCEPTED))


def find_waiting(session: Session, address: str, now: datetime) -> Sequence[ThirdPartyInvitation]:
    """The open invitations to this address that nobody accepted yet, newest first.

    Only those that their rooms are known to hold.
    """
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(_is_waiting(address, now))
        .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
    ).all()


def _is_waiting(address: str, now: datetime) -> ColumnElement[bool]:
    return (
        (ThirdPartyInvitation.address == address)
        & (ThirdPartyInvitation.delivery == Delivery.WAITING)
        & ThirdPartyInvitation.awaits.is_(None)
        & is_open(now)
    )


def find_by_mail(session: Session, mail_id: uuid.UUID) -> Sequence[ThirdPartyInvitation]:
    """The invitations whose latest mail this is, newest first."""
    return foreseen.recall(
        session, IN_MAIL, mail_id, lambda: find_by_mails(session, [mail_id])[mail_id]
    )


def find_by_mails(
    session: Session, mail_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[ThirdPartyInvitation]]:
    """The same for several mails."""
    found = session.scalars(
        select(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.mail_id.in_(mail_ids))
        .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id)
    )
    of_mail: dict[uuid.UUID, list[ThirdPartyInvitation]] = {each: [] for each in mail_ids}
    for invitation in found:
        if invitation.mail_id is not None:
            of_mail[invitation.mail_id].append(invitation)
    return of_mail


def is_invited(session: Session, address: str, now: datetime) -> bool:
    """Whether `find_waiting` would find any invitation for this address."""
    return rows.is_any(session, _is_waiting(address, now))


def find_live(
    session: Session, now: datetime, *, address: str, room_id: str, sender: str
) -> ThirdPartyInvitation | None:
    """The live invitation of this address to this room by this sender; there is at most one."""
    return session.scalar(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.room_id == room_id,
            ThirdPartyInvitation.sender == sender,
            is_live(now),
        )
        .order_by(ThirdPartyInvitation.created_at.desc())
        .limit(1)
    )


def find_these(
    session: Session, invitation_ids: Collection[uuid.UUID]
) -> Sequence[ThirdPartyInvitation]:
    """Those of these invitations that are there, as they are now."""
    found = select(ThirdPartyInvitation).where(ThirdPartyInvitation.id.in_(invitation_ids))
    fresh = found.order_by(*ORDER).execution_options(populate_existing=True)
    return session.scalars(fresh).all()


def find_live_of(session: Session, now: datetime, sender: str) -> Sequence[ThirdPartyInvitation]:
    """All live invitations of this sender, oldest first."""
    return session.scalars(
        select(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.sender == sender, is_live(now))
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
    ).all()


def find_oldest_live(session: Session, now: datetime, address: str) -> ThirdPartyInvitation | None:
    """The oldest live invitation of this address that its room holds."""
    return session.scalar(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.awaits.is_(None),
            is_live(now),
        )
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
        .limit(1)
    )


def ephemeral_key_is_valid(session: Session, public_key: str, now: datetime) -> bool:
    """Whether this exact text is the public key of an invitation that has not ended.

    `/pubkey/ephemeral/isvalid` of the Matrix Identity Service API answers so.
    """
    row = ThirdPartyInvitation
    has_not_ended = row.ended_at.is_(None) & (row.state.not_in(OPEN) | is_open(now))
    return rows.is_any(session, row.public_key == public_key, has_not_ended)


def find_in_same_room(
    session: Session, invitation: ThirdPartyInvitation
) -> Sequence[ThirdPartyInvitation]:
    """The other invitations of the same address to the same room."""
    return session.scalars(
        select(ThirdPartyInvitation).where(
            ThirdPartyInvitation.address == invitation.address,
            ThirdPartyInvitation.room_id == invitation.room_id,
            ThirdPartyInvitation.id != invitation.id,
        )
    ).all()


def find_creation_times(
    session: Session, sender: str, *, for_guest: bool, since: datetime
) -> Sequence[datetime]:
    """When this sender invited guests (or agents), oldest first; those of lists do not count."""
    return session.scalars(creation_times(sender, since, for_guest=for_guest)).all()


def creation_times(
    sender: ColumnElement[str] | str, since: Moment, *, for_guest: ColumnElement[bool] | bool
) -> Select[datetime]:
    """The query of `find_creation_times`."""
    return (
        select(ThirdPartyInvitation.created_at)
        .where(
            ThirdPartyInvitation.sender == sender,
            ThirdPartyInvitation.for_guest == for_guest,
            ThirdPartyInvitation.by_list.is_(False),
            ThirdPartyInvitation.created_at > since,
        )
        .order_by(ThirdPartyInvitation.created_at)
    )


def move_state(
    session: Session,
    invitation: ThirdPartyInvitation,
    *,
    source: Collection[State],
    to: State,
    ended_at: datetime | None,
) -> bool:
    """Change the state if it is still one of `source`. Returns whether this call changed it.

    Of several concurrent calls one returns True.
    """
    row = ThirdPartyInvitation
    own = (row.id == invitation.id) & row.state.in_(source)
    moved = rows.update(session, row, own, state=to, ended_at=ended_at)
    if invitation in session:
        session.refresh(invitation)
    return moved > 0


def move_states(
    session: Session,
    invitations: Collection[ThirdPartyInvitation],
    *,
    source: Collection[State],
    to: State,
) -> set[uuid.UUID]:
    """The same for several invitations that do not end. Returns those that this call changed."""
    row = ThirdPartyInvitation
    moved = session.scalars(
        update(row)
        .where(row.id.in_([each.id for each in invitations]), row.state.in_(source))
        .values(state=to, ended_at=None)
        .returning(row.id)
        .execution_options(synchronize_session=False)
    )
    return set(moved)


def move_delivery(
    session: Session,
    invitation: ThirdPartyInvitation,
    *,
    source: tuple[Delivery, ...],
    to: Delivery,
    **values: object,
) -> bool:
    """Change the delivery if it is still one of `source`. Returns whether this call changed it.

    Of several concurrent calls one returns True. `values`: further columns to set.
    """
    row = ThirdPartyInvitation
    own = (row.id == invitation.id) & row.delivery.in_(source)
    return rows.update(session, row, own, delivery=to, **values) > 0


def find_taken_up(session: Session, address: str, user_id: str) -> dict[str, dict[str, Any]]:
    """The rooms that a person reached by accepting invitations: {ID: facts (names and pictures)}.

    The room of the newest invitation comes last.
    """
    found = session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.invitee == user_id,
            ThirdPartyInvitation.state.in_(TAKEN_UP),
        )
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
    )
    rooms: dict[str, dict[str, Any]] = {}
    for row in found:
        rooms.pop(row.room_id, None)
        rooms[row.room_id] = row.facts
    return rooms


def count_by_delivery(session: Session) -> dict[str, int]:
    """How many invitations there are at each step of delivery."""
    found = session.execute(
        select(ThirdPartyInvitation.delivery, func.count()).group_by(ThirdPartyInvitation.delivery)
    )
    return dict(found.all())
