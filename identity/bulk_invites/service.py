"""Checks a list of people, lets its owner correct it row by row, and sends it when confirmed."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.bulk_invites import checks
from domain_rules.bulk_invites.checks import (
    NEEDS_CONFIRMATION,
    CheckContext,
    CheckedRow,
    RowOutcome,
)
from domain_rules.bulk_invites.people import extract_address
from domain_rules.bulk_invites.reading import Column, Reading, read_people
from domain_rules.bulk_invites.tables import Row
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import verified_addresses
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.invitations import inviters
from identity.problems import Problem
from identity.routing import address_lists, never_agent
from identity.threepids import associations

from . import models as bulk_invites
from .models import BulkInvite, BulkInviteColumn, BulkInviteRow, BulkInviteState, Step

MAX_AT_ONCE = 3  # bulk invites of one owner being sent
MAX_A_DAY = 30  # bulk invites of one owner being checked
DAY = timedelta(days=1)
MAX_NAME = 80  # characters of a file's name
MAX_TYPED = 254  # characters of a corrected address
# Failures that no retry mends: the address itself is refused.
FOR_GOOD = ("not_accepted", "closed_to_guests")


class TooManyBulkInvites(Problem):
    """This owner has as many lists under way as one person may."""


class NothingToSend(Problem):
    """No row of the list can be sent as it stands."""


class ColumnToChoose(Problem):
    """Several columns hold addresses: somebody must say which of them is meant."""


class NoSuchBulkInvite(Problem):
    """This owner has no such list, or no such row in it."""


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
) -> BulkInvite:
    """Read and check a file; nothing is sent. `column`: the name or number of the column to read.

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
        created_at=now,
    )
    session.add(bulk_invite)
    session.flush()
    _store_columns(session, bulk_invite, reading)
    if reading.chosen is not None:
        _fill(session, rules, now, bulk_invite, reading.chosen)
    session.flush()
    return bulk_invite


def choose_column(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, number: int
) -> None:
    """Read this column in place of another or none; nothing is sent.

    Raises NoSuchBulkInvite, AlreadySent.
    """
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    if bulk_invite.state != BulkInviteState.CHECKED:
        raise AlreadySent
    column = _find_column(session, bulk_invite, number)
    if column is None:
        raise NoSuchBulkInvite
    bulk_invites.forget_rows(session, bulk_invite.id)
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
        judge_again(session, rules, now, bulk_invite)


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
    judge_again(session, rules, now, bulk_invite)


def judge_again(session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite) -> None:
    """Check the rows that were not sent, as if the whole list had just arrived."""
    rows = bulk_invites.rows_of(session, bulk_invite.id)
    texts = [Row(row.line, row.typed, row.kept, row.aside) for row in rows]
    for row, judged in zip(rows, _judge(session, rules, now, bulk_invite, texts), strict=True):
        if row.step == Step.NONE:
            for name, value in _judgement_values(judged).items():
                setattr(row, name, value)
    session.flush()


def confirm(session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite) -> int:
    """Order the sending of the rows that can be sent; returns how many.

    Raises NothingToSend, TooManyBulkInvites, AlreadySent, ColumnToChoose, and what
    `inviters.check_sender` raises.
    """
    inviters.check_sender(session, now, bulk_invite.owner)
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    if bulk_invite.state != BulkInviteState.CHECKED:
        raise AlreadySent
    if bulk_invite.address_column is None:
        raise ColumnToChoose
    if bulk_invites.count_sending(session, bulk_invite.owner) >= MAX_AT_ONCE:
        raise TooManyBulkInvites
    judge_again(session, rules, now, bulk_invite)
    ready = bulk_invites.rows_of(session, bulk_invite.id, outcomes=[RowOutcome.READY])
    if not ready:
        raise NothingToSend
    bulk_invites.forget_columns(session, bulk_invite.id)
    _order(session, now, bulk_invite, ready)
    return len(ready)


def retry(session: Session, now: datetime, bulk_invite: BulkInvite) -> int:
    """Send again what failed and may succeed now; returns how many rows.

    Raises NothingToSend, TooManyBulkInvites, and what `inviters.check_sender` raises.
    """
    inviters.check_sender(session, now, bulk_invite.owner)
    bulk_invite = bulk_invites.lock(session, bulk_invite.id)
    failed = [
        row
        for row in bulk_invites.rows_of(session, bulk_invite.id, steps=[Step.FAILED])
        if row.why not in FOR_GOOD
    ]
    if not failed:
        raise NothingToSend
    if bulk_invite.state != BulkInviteState.SENDING and (
        bulk_invites.count_sending(session, bulk_invite.owner) >= MAX_AT_ONCE
    ):
        raise TooManyBulkInvites
    _order(session, now, bulk_invite, failed)
    return len(failed)


def clean_name(file_name: str) -> str:
    """The part of a file's name that a page may show."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[:MAX_NAME]


def _store_columns(session: Session, bulk_invite: BulkInvite, reading: Reading) -> None:
    """Store the columns to choose from; none, if the only one is chosen."""
    if reading.chosen is not None and len(reading.columns) == 1:
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
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, column: Column
) -> None:
    """Make the rows of this column the rows of the bulk invite."""
    bulk_invite.address_column, bulk_invite.column_name = column.number, column.name
    bulk_invite.elsewhere = column.elsewhere
    judged = _judge(session, rules, now, bulk_invite, list(column.rows))
    session.add_all(
        BulkInviteRow(
            list_id=bulk_invite.id,
            place=place,
            line=row.line,
            typed=row.text,
            aside=row.aside,
            **_judgement_values(each),
        )
        for place, (row, each) in enumerate(zip(column.rows, judged, strict=True))
    )


def _order(
    session: Session, now: datetime, bulk_invite: BulkInvite, rows: Iterable[BulkInviteRow]
) -> None:
    bulk_invite.state, bulk_invite.ended_at = BulkInviteState.SENDING, None
    bulk_invite.started_at = bulk_invite.started_at or now
    homeserver = homeserver_of(bulk_invite.owner)
    for row in rows:
        row.step, row.why, row.later_at = Step.WAITING, None, None
        outbox.enqueue(
            session, JobKind.LIST_ROW, row.id, now, lane=Lane.BULK, homeserver=homeserver
        )
    session.flush()


def _judge(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, rows: list[Row]
) -> list[CheckedRow]:
    invited = bulk_invites.find_invited_addresses(
        session, now, sender=bulk_invite.owner, room_id=bulk_invite.room_id
    )
    around = CheckContext(
        own=_addresses_of(session, bulk_invite.owner) | {bulk_invite.owner_address},
        invited=invited,
        room_takes_guests=bulk_invite.takes_guests,
        shared_mailboxes=address_lists.shared_mailboxes(session),
        exists=never_agent.has_mailboxes,
    )
    return checks.check_rows(rules, rows, around)


def _addresses_of(session: Session, user_id: str) -> set[str]:
    bound = {each.address for each in associations.find_by_user(session, user_id)}
    return bound | set(verified_addresses.addresses_of(session, user_id))


def _judgement_values(judged: CheckedRow) -> dict[str, object]:
    return {
        "address": judged.address.canonical if judged.address else None,
        "outcome": judged.outcome.value,
        "detail": judged.detail,
        "caution": judged.caution.value,
        "for_guest": judged.for_guest,
    }


def _row_to_change(session: Session, bulk_invite: BulkInvite, row_id: uuid.UUID) -> BulkInviteRow:
    if bulk_invite.state != BulkInviteState.CHECKED:
        raise AlreadySent
    row = bulk_invites.find_row(session, row_id)
    if row is None or row.list_id != bulk_invite.id:
        raise NoSuchBulkInvite
    return row
