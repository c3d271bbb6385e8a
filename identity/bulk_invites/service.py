"""Checks a list of people, lets its owner correct it row by row, and sends it when confirmed."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.bulk_invites.checks import NEEDS_CONFIRMATION, RowOutcome
from domain_rules.bulk_invites.people import extract_address
from domain_rules.bulk_invites.reading import Column, Reading, read_people
from domain_rules.bulk_invites.tables import Row
from domain_rules.rules import RuleSet
from identity.invitations import inviters
from identity.problems import Problem

from . import checking, models as bulk_invites, ordering, quota as quotas
from .models import BulkInvite, BulkInviteColumn, BulkInviteRow, BulkInviteState

MAX_AT_ONCE = 3  # bulk invites of one owner being sent
MAX_A_DAY = 30  # bulk invites of one owner being checked
DAY = timedelta(days=1)
MAX_NAME = 80  # characters of a file's name
MAX_TYPED = 254  # characters of a corrected address


class TooManyBulkInvites(Problem):
    """This owner has as many lists under way as one person may."""


class NothingToSend(Problem):
    """No row of the list can be sent as it stands."""


class ColumnToChoose(Problem):
    """Several columns hold addresses: somebody must say which of them is meant."""


class NoSuchBulkInvite(Problem):
    """This owner has no such list, or no such row in it."""


class StillChecking(Problem):
    """The worker is still going through the rows of this list: nothing else can be done to it."""


class AlreadySent(Problem):
    """The list is on its way: its rows cannot be changed any more."""


@dataclass(frozen=True)
class Owner:
    """In whose name people are invited, and where the report is sent."""

    user_id: str
    address: str = ""
    language: str = ""


@dataclass(frozen=True)
class RoomSeen:
    """The room, as the owner's homeserver describes it."""

    room_id: str
    name: str = ""
    takes_guests: bool = True


def check(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    owner: Owner,
    room: RoomSeen,
    raw: bytes,
    file_name: str = "",
    column: str = "",
    here: bool = False,
) -> BulkInvite:
    """Read and check a file; nothing is sent. `column`: the name or number of the column to read.

    A long list is read only, and checked by the worker; with `here` the caller waits for it.

    Raises Unreadable, TooManyBulkInvites, NoSuchColumn, and what `inviters.check_sender` raises.
    """
    inviters.check_sender(session, now, owner.user_id)
    if bulk_invites.count_since(session, owner.user_id, now - DAY) >= MAX_A_DAY:
        raise TooManyBulkInvites
    reading = read_people(raw, column)
    bulk_invite = BulkInvite(
        id=uuid.uuid4(),
        owner=owner.user_id,
        owner_address=owner.address,
        room_id=room.room_id,
        room_name=room.name,
        takes_guests=room.takes_guests,
        file_name=clean_name(file_name),
        language=owner.language,
        state=BulkInviteState.CHECKED,
        column_name="",
        elsewhere=0,
        organisation=quotas.organisation_of(session, rules, owner.user_id),
        created_at=now,
    )
    session.add(bulk_invite)
    session.flush()
    _store_columns(session, bulk_invite, reading)
    if reading.chosen is not None:
        _fill(session, rules, now, bulk_invite, reading.chosen, here=here)
    session.flush()
    return bulk_invite


def choose_column(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, number: int
) -> None:
    """Read this column in place of another or none; nothing is sent.

    Raises NoSuchBulkInvite, AlreadySent.
    """
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    check_is_checked(bulk_invite)
    column = _find_column(session, bulk_invite, number)
    if column is None:
        raise NoSuchBulkInvite
    _fill(session, rules, now, bulk_invite, column)
    session.flush()


def find(session: Session, list_id: uuid.UUID, owner: str) -> BulkInvite:
    """Raises NoSuchBulkInvite, also for bulk invites of others."""
    found = bulk_invites.find(session, list_id, owner=owner)
    if found is None:
        raise NoSuchBulkInvite
    return found


def accept_as_typed(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, row_id: uuid.UUID
) -> None:
    """Confirm that a doubtful address is right. Raises NoSuchBulkInvite, AlreadySent."""
    row = _row_to_change(session, bulk_invite, row_id)
    if RowOutcome(row.outcome) in NEEDS_CONFIRMATION:
        row.kept = True
        checking.judge_like(session, rules, now, bulk_invite, row)


def correct_row(
    session: Session,
    rules: RuleSet,
    now: datetime,
    bulk_invite: BulkInvite,
    row_id: uuid.UUID,
    *,
    text: str,
) -> None:
    """Replace the typed address. Raises NoSuchBulkInvite, AlreadySent."""
    row = _row_to_change(session, bulk_invite, row_id)
    row.typed, row.kept = extract_address(text[:MAX_TYPED]), False
    row.aside = ""
    checking.judge_like(session, rules, now, bulk_invite, row)


def confirm(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, *, quota: int
) -> int:
    """Order the sending of the rows that can be sent; returns how many, as the check counted them.

    `quota`: how many may leave on a day for the organisation of the inviter. Raises NothingToSend,
    TooManyBulkInvites, AlreadySent, StillChecking, ColumnToChoose, and what `inviters.check_sender`
    raises.
    """
    inviters.check_sender(session, now, bulk_invite.owner)
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    check_is_checked(bulk_invite)
    if bulk_invite.address_column is None:
        raise ColumnToChoose
    if bulk_invites.count_sending(session, bulk_invite.owner) >= MAX_AT_ONCE:
        raise TooManyBulkInvites
    ready = sum(bulk_invites.count_ready(session, bulk_invite.id).values())
    if not ready:
        raise NothingToSend
    bulk_invites.forget_columns(session, bulk_invite.id)
    bulk_invite.state, bulk_invite.started_at = BulkInviteState.ORDERING, now
    _work(session, rules, now, bulk_invite, quota=quota)
    return ready


def retry(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, *, quota: int
) -> int:
    """Send again what failed and may succeed now; returns how many rows. `quota`: as `confirm`.

    Raises NothingToSend, TooManyBulkInvites, StillChecking, and what `inviters.check_sender` raises.
    """
    inviters.check_sender(session, now, bulk_invite.owner)
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    if bulk_invite.state in (BulkInviteState.CHECKING, *bulk_invites.AT_WORK):
        raise StillChecking
    failed = bulk_invites.count_to_retry(session, bulk_invite.id)
    if not failed:
        raise NothingToSend
    if bulk_invite.state != BulkInviteState.SENDING and (
        bulk_invites.count_sending(session, bulk_invite.owner) >= MAX_AT_ONCE
    ):
        raise TooManyBulkInvites
    bulk_invite.state, bulk_invite.ended_at = BulkInviteState.REORDERING, None
    _work(session, rules, now, bulk_invite, quota=quota)
    return failed


def stop(session: Session, now: datetime, bulk_invite: BulkInvite) -> None:
    """Have the worker take back what still waits; what was sent stays, and `retry` goes on.

    Raises NothingToSend if it is not being sent.
    """
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    if bulk_invite.state not in bulk_invites.UNDER_WAY:
        raise NothingToSend
    if bulk_invite.state != BulkInviteState.STOPPING:
        bulk_invite.state = BulkInviteState.STOPPING
        checking.order_work(session, now, bulk_invite)
        session.flush()


def check_is_checked(bulk_invite: BulkInvite) -> None:
    """Raises StillChecking and AlreadySent."""
    if bulk_invite.state == BulkInviteState.CHECKING:
        raise StillChecking
    if bulk_invite.state != BulkInviteState.CHECKED:
        raise AlreadySent


def clean_name(file_name: str) -> str:
    """The part of a file's name that a page may show."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[:MAX_NAME]


def _store_columns(session: Session, bulk_invite: BulkInvite, reading: Reading) -> None:
    """Store the columns to choose from, or the one that the worker is to check.

    None if the only one is short.
    """
    chosen = reading.chosen
    if chosen and len(reading.columns) == 1 and len(chosen.rows) <= checking.AT_ONCE:
        return
    session.add_all(
        BulkInviteColumn(
            list_id=bulk_invite.id,
            number=column.number,
            name=column.name,
            examples=list(column.examples),
            addresses=column.addresses,
            elsewhere=column.elsewhere,
            rows=[(row.line, row.text, row.aside) for row in column.rows],
        )
        for column in reading.columns
    )


def _find_column(session: Session, bulk_invite: BulkInvite, number: int) -> Column | None:
    """The column of this number, as it was read."""
    found = session.get(BulkInviteColumn, (bulk_invite.id, number))
    if found is None:
        return None
    rows = tuple(Row(line, text, aside=aside) for line, text, aside in found.rows)
    return Column(
        found.number, found.name, tuple(found.examples), found.addresses, rows, found.elsewhere
    )


def _fill(
    session: Session,
    rules: RuleSet,
    now: datetime,
    bulk_invite: BulkInvite,
    column: Column,
    *,
    here: bool = False,
) -> None:
    """Make the rows of this column the rows of the bulk invite: here, or by the worker if many."""
    bulk_invite.address_column, bulk_invite.column_name = column.number, column.name
    bulk_invite.elsewhere, bulk_invite.total = column.elsewhere, len(column.rows)
    bulk_invite.state = BulkInviteState.CHECKING
    if here or not _is_long(bulk_invite):
        work = checking.Checking(session, rules, now, bulk_invite, column.rows)
        _run_through(session, now, bulk_invite, work)
    else:
        checking.order_work(session, now, bulk_invite)


def _work(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, *, quota: int
) -> None:
    """Do what its state says: now, or by the worker if it is long."""
    if _is_long(bulk_invite):
        checking.order_work(session, now, bulk_invite)
    else:
        bulk_invite.progress = 0
        work = ordering.work_of(session, rules, now, bulk_invite, quota=quota)
        _run_through(session, now, bulk_invite, work)
    session.flush()


def _run_through(
    session: Session, now: datetime, bulk_invite: BulkInvite, work: ordering.Work | None
) -> None:
    while work is not None and work.next_batch(session, now, bulk_invite):
        pass


def _is_long(bulk_invite: BulkInvite) -> bool:
    return bulk_invite.total is None or bulk_invite.total > checking.AT_ONCE


def _row_to_change(session: Session, bulk_invite: BulkInvite, row_id: uuid.UUID) -> BulkInviteRow:
    check_is_checked(bulk_invites.lock(session, bulk_invite.id))
    row = bulk_invites.find_row(session, row_id)
    if row is None or row.list_id != bulk_invite.id:
        raise NoSuchBulkInvite
    return row
