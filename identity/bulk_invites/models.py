"""Bulk invites in the database: each one with its rows, and the columns to choose from."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, TEXT, USER_ID
from identity.invitations import models as third_party_invitations
from identity.invitations.models import ThirdPartyInvitation


class BulkInviteState(StrEnum):
    """Nothing of a checked bulk invite is sent before its owner confirms it."""

    CHECKING = "checking"  # the worker is reading a long one
    CHECKED = "checked"
    ORDERING = "ordering"  # confirmed: the worker orders the rows of a long one
    REORDERING = "reordering"  # likewise those that failed
    SENDING = "sending"
    STOPPING = "stopping"  # its owner stopped it: the worker takes back what still waits
    DONE = "done"


AT_WORK = (BulkInviteState.ORDERING, BulkInviteState.REORDERING, BulkInviteState.STOPPING)
UNDER_WAY = (BulkInviteState.SENDING, *AT_WORK)


class Step(StrEnum):
    """How far the sending of a row has come; NONE: it is not to be sent as it stands."""

    NONE = ""
    WAITING = "waiting"
    INVITED = "invited"
    MEMBER = "member"  # in the room already
    FAILED = "failed"


class BulkInvite(Base):
    """One list of people to be invited to one room. The file itself is not stored."""

    __tablename__ = "people_lists"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner: Mapped[str] = mapped_column(info=USER_ID)  # the user ID in whose name people are invited
    owner_address: Mapped[str] = mapped_column(
        info=ADDRESS
    )  # where the report is sent; "": nowhere
    room_id: Mapped[str]
    room_name: Mapped[str] = mapped_column(info=TEXT)  # as the homeserver reported it; may be empty
    takes_guests: Mapped[bool]
    file_name: Mapped[str] = mapped_column(info=TEXT)  # "": pasted
    language: Mapped[str]
    state: Mapped[str] = mapped_column(default=BulkInviteState.CHECKED)
    # The number of the column that is read; None: to be chosen, and there are no rows yet.
    address_column: Mapped[int | None]
    column_name: Mapped[str] = mapped_column(info=TEXT)
    elsewhere: Mapped[int]  # how many addresses are in other columns
    # Whose quota its invitations use: an organisation, a domain or a homeserver.
    organisation: Mapped[str] = mapped_column(default="", server_default="")
    # Numbers of rows, so that no page counts them: all of them, and of a checked one those that can
    # be sent. Null: of an older version.
    total: Mapped[int | None]
    ready_guests: Mapped[int | None]
    ready_agents: Mapped[int | None]
    delayed_until: Mapped[datetime | None]  # when the last row over the quota may leave
    # How many rows the worker has checked, or ordered.
    progress: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class BulkInviteColumn(Base):
    """A column that may be chosen until the bulk invite is sent, with the rows it would give."""

    __tablename__ = "people_list_columns"

    list_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("people_lists.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(info=TEXT)
    examples: Mapped[list[str]] = mapped_column(JSON, info=TEXT)
    addresses: Mapped[int]
    elsewhere: Mapped[int]
    rows: Mapped[list[tuple[int, str, str]]] = mapped_column(
        JSON, info=TEXT
    )  # line, text, text around it


class BulkInviteRow(Base):
    """One person of the list, or an address inside some text, which is only reported."""

    __tablename__ = "people_list_rows"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    list_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people_lists.id", ondelete="CASCADE"))
    place: Mapped[int]  # position in the list: one line may name several people
    line: Mapped[int]
    typed: Mapped[str] = mapped_column(info=TEXT)
    aside: Mapped[str] = mapped_column(
        info=TEXT
    )  # the text around the address; "": the row is a person
    address: Mapped[str | None] = mapped_column(
        info=ADDRESS, index=True
    )  # canonical; None: it is none
    # All spellings of a mailbox have one; null: no address, or of an older version.
    mailbox: Mapped[str | None] = mapped_column(info=ADDRESS)
    outcome: Mapped[str]  # domain_rules.bulk_invites.checks.Outcome
    detail: Mapped[str] = mapped_column(info=TEXT)
    caution: Mapped[str]
    for_guest: Mapped[bool]
    kept: Mapped[bool] = mapped_column(default=False)  # confirmed as typed
    step: Mapped[str] = mapped_column(default=Step.NONE)
    why: Mapped[str | None]  # a word for the failure
    later_at: Mapped[datetime | None]  # over a limit: when it is sent
    invitation_id: Mapped[uuid.UUID | None]  # no foreign key: invitations are deleted on their own
    sent_at: Mapped[datetime | None]


Index("ix_people_lists_owner", BulkInvite.owner, BulkInvite.created_at)
Index("ix_people_list_rows_list", BulkInviteRow.list_id, BulkInviteRow.place)
Index("ix_people_list_rows_step", BulkInviteRow.list_id, BulkInviteRow.step)
Index("ix_people_list_rows_mailbox", BulkInviteRow.list_id, BulkInviteRow.mailbox)
Index("ix_people_list_rows_sent", BulkInviteRow.sent_at)  # from which the pace is measured
# What the page of a checked list shows of ten thousand rows. Written out: PostgreSQL uses a partial
# index only where it sees that the condition holds.
IS_DOUBTFUL = BulkInviteRow.outcome != literal_column("'ready'")
IS_CAUTIOUS = (BulkInviteRow.outcome == literal_column("'ready'")) & (
    BulkInviteRow.caution != literal_column("''")
)
for _name, _which in {"doubtful": IS_DOUBTFUL, "cautious": IS_CAUTIOUS}.items():
    Index(
        f"ix_people_list_rows_{_name}",
        BulkInviteRow.list_id,
        BulkInviteRow.place,
        postgresql_where=_which,
        sqlite_where=_which,
    )


# Failures that no retry mends: the address itself is refused.
FOR_GOOD = ("not_accepted", "closed_to_guests")
FAILED_FOR_NOW = (BulkInviteRow.step == Step.FAILED) & (
    BulkInviteRow.why.is_(None) | BulkInviteRow.why.not_in(FOR_GOOD)
)


def select_being_placed() -> Select[uuid.UUID | None]:
    """The invitations that bulk invites are about to place in their rooms."""
    return select(BulkInviteRow.invitation_id).where(
        BulkInviteRow.step == Step.WAITING, BulkInviteRow.invitation_id.is_not(None)
    )


def find(session: Session, list_id: uuid.UUID, *, owner: str) -> BulkInvite | None:
    """A bulk invite of this owner; those of others are not found."""
    found = session.get(BulkInvite, list_id)
    return found if found is not None and found.owner == owner else None


def lock(session: Session, list_id: uuid.UUID) -> BulkInvite:
    """The bulk invite as it is now, locked until the transaction ends.

    The order of locks is one: jobs of rows, as the worker that settles one holds it; bulk invites,
    by their ids; then their own jobs and their rows.
    """
    return session.get_one(BulkInvite, list_id, with_for_update=True, populate_existing=True)


def lock_all(session: Session, list_ids: Collection[uuid.UUID]) -> Sequence[BulkInvite]:
    """As `lock`, for several; those that are gone are left out."""
    some = select(BulkInvite).where(BulkInvite.id.in_(list_ids)).order_by(BulkInvite.id)
    locked = some.with_for_update().execution_options(populate_existing=True)
    return session.scalars(locked).all()


def find_by_owner(session: Session, owner: str, *, limit: int = 20) -> Sequence[BulkInvite]:
    """The bulk invites of this owner, newest first."""
    return session.scalars(
        select(BulkInvite)
        .where(BulkInvite.owner == owner)
        .order_by(BulkInvite.created_at.desc())
        .limit(limit)
    ).all()


def count_sending(session: Session, owner: str) -> int:
    """How many bulk invites of this owner are being sent."""
    return rows.count(session, BulkInvite.owner == owner, BulkInvite.state.in_(UNDER_WAY))


def count_since(session: Session, owner: str, since: datetime) -> int:
    """How many bulk invites this owner had checked since then."""
    return rows.count(session, BulkInvite.owner == owner, BulkInvite.created_at > since)


def rows_of(
    session: Session,
    list_id: uuid.UUID,
    *which: ColumnElement[bool],
    after: int = -1,
    limit: int | None = None,
) -> list[BulkInviteRow]:
    """The rows for which all of `which` holds, in the order of the list.

    `after`: those behind this place.
    """
    query = select(BulkInviteRow).where(BulkInviteRow.list_id == list_id, *which)
    if after >= 0:
        query = query.where(BulkInviteRow.place > after)
    return list(session.scalars(query.order_by(BulkInviteRow.place).limit(limit)))


JUDGED = (
    *(BulkInviteRow.id, BulkInviteRow.place, BulkInviteRow.line, BulkInviteRow.typed),
    *(BulkInviteRow.kept, BulkInviteRow.aside, BulkInviteRow.step, BulkInviteRow.address),
    *(BulkInviteRow.mailbox, BulkInviteRow.outcome, BulkInviteRow.detail, BulkInviteRow.caution),
    BulkInviteRow.for_guest,
)


def judged_rows(
    session: Session,
    list_id: uuid.UUID,
    *which: ColumnElement[bool],
    after: int,
    limit: int,
) -> Sequence[Any]:
    """The next rows behind a place, as plain tuples with the columns of `JUDGED`."""
    own = (BulkInviteRow.list_id == list_id, BulkInviteRow.place > after, *which)
    return session.execute(
        select(*JUDGED).where(*own).order_by(BulkInviteRow.place).limit(limit)
    ).all()


def rows_like(
    session: Session, list_id: uuid.UUID, addresses: Collection[str], mailboxes: Collection[str]
) -> list[BulkInviteRow]:
    """The rows with one of these addresses or mailboxes, in the order of the list."""
    row = BulkInviteRow
    return rows_of(session, list_id, or_(row.mailbox.in_(mailboxes), row.address.in_(addresses)))


def columns_of(session: Session, list_id: uuid.UUID) -> list[BulkInviteColumn]:
    """The columns to choose from, in the order of the file; number 0 (every address) last."""
    query = select(BulkInviteColumn).where(BulkInviteColumn.list_id == list_id)
    return sorted(session.scalars(query), key=lambda column: (not column.number, column.number))


def forget_columns(session: Session, list_id: uuid.UUID) -> None:
    """Delete the columns to choose from; the rows of the chosen one are stored."""
    session.execute(delete(BulkInviteColumn).where(BulkInviteColumn.list_id == list_id))


def forget_rows(session: Session, list_id: uuid.UUID, *, limit: int) -> int:
    """Delete rows, at most so many, before another column is read. Returns how many."""
    return rows.delete(session, BulkInviteRow, BulkInviteRow.list_id == list_id, limit=limit)


def find_row(session: Session, row_id: uuid.UUID) -> BulkInviteRow | None:
    return session.get(BulkInviteRow, row_id)


def find_rows(session: Session, row_ids: Collection[uuid.UUID]) -> Sequence[BulkInviteRow]:
    """Those of these rows that are there, as they are now."""
    found = select(BulkInviteRow).where(BulkInviteRow.id.in_(row_ids))
    fresh = found.order_by(BulkInviteRow.id).execution_options(populate_existing=True)
    return session.scalars(fresh).all()


def count_steps(session: Session, list_id: uuid.UUID) -> dict[str, int]:
    """The number of rows at each step, by index alone."""
    row = BulkInviteRow
    counted = select(row.step, func.count()).where(row.list_id == list_id).group_by(row.step)
    return dict(session.execute(counted).all())


def count_ready(session: Session, list_id: uuid.UUID) -> dict[bool, int]:
    """How many rows can be sent as they stand, for guests (True) and for agents."""
    row = BulkInviteRow
    ready = (row.list_id == list_id) & ~IS_DOUBTFUL & (row.step == Step.NONE)
    counted = select(row.for_guest, func.count()).where(ready).group_by(row.for_guest)
    return dict(session.execute(counted).all())


def count_to_retry(session: Session, list_id: uuid.UUID) -> int:
    """How many rows failed and may succeed now."""
    return rows.count(session, BulkInviteRow.list_id == list_id, FAILED_FOR_NOW)


def find_sent_times(session: Session, since: datetime, *, limit: int) -> Sequence[datetime]:
    """When the newest rows of all lists were sent since then, newest first."""
    row = BulkInviteRow
    newest = select(row.sent_at).where(row.sent_at > since).order_by(row.sent_at.desc())
    return [time for time in session.scalars(newest.limit(limit)) if time is not None]


def finish(session: Session, list_id: uuid.UUID, now: datetime) -> bool:
    """Record that nothing is left to send. Returns whether this call did.

    Lock the bulk invite before.
    """
    waits = exists().where(BulkInviteRow.list_id == list_id, BulkInviteRow.step == Step.WAITING)
    ends = (BulkInvite.id == list_id) & (BulkInvite.state == BulkInviteState.SENDING) & ~waits
    return rows.update(session, BulkInvite, ends, state=BulkInviteState.DONE, ended_at=now) > 0


def forget(session: Session, before: datetime, *, limit: int) -> int:
    """Delete bulk invites created before then, their rows first, at most so many rows in all.

    Returns how many.
    """
    old = select(BulkInvite.id).where(BulkInvite.created_at < before)
    gone = rows.delete(session, BulkInviteRow, BulkInviteRow.list_id.in_(old), limit=limit)
    columns = BulkInviteColumn.list_id.in_(old)
    gone += rows.delete(session, BulkInviteColumn, columns, limit=limit - gone)
    return gone + rows.delete(
        session, BulkInvite, BulkInvite.created_at < before, limit=limit - gone
    )


def find_invited_addresses(
    session: Session,
    now: datetime,
    *,
    sender: str,
    room_id: str,
    among: Collection[str] | None = None,
) -> set[str]:
    """The addresses with a live invitation of this sender to this room.

    `among`: only these are looked for.
    """
    query = select(ThirdPartyInvitation.address).where(
        ThirdPartyInvitation.sender == sender,
        ThirdPartyInvitation.room_id == room_id,
        third_party_invitations.is_live(now),
    )
    if among is not None:
        query = query.where(ThirdPartyInvitation.address.in_(among))
    return set(session.scalars(query))


def find_invitations(
    session: Session, ids: Collection[uuid.UUID]
) -> dict[object, ThirdPartyInvitation]:
    """The invitations with these IDs."""
    found = session.scalars(select(ThirdPartyInvitation).where(ThirdPartyInvitation.id.in_(ids)))
    return {invitation.id: invitation for invitation in found}
