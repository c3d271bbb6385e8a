"""A list of people: checked before anything is sent, put right row by row, and sent when its owner says so."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.bulk_invites import checks as judged_people
from domain_rules.bulk_invites import reading as people_lists
from domain_rules.bulk_invites.checks import NEEDS_YES, Circumstances, Judged, Outcome
from domain_rules.bulk_invites.reading import Column, Row
from domain_rules.rules import RuleSet
from identity.accounts import verified_addresses
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.problems import Problem
from identity.routing import address_lists, never_agent
from identity.threepids import associations

from . import columns as list_columns
from . import models as stored
from .models import BulkInvite, BulkInviteRow, BulkInviteState, Step

MAX_AT_ONCE = 3  # lists of one owner being sent
MAX_A_DAY = 30  # lists of one owner being checked
DAY = timedelta(days=1)
KEPT = timedelta(days=90)
MAX_NAME = 80  # characters of a file's name
MAX_TYPED = 254  # characters of a corrected address
# Failures that another try will not mend: the address itself is refused.
FOR_GOOD = ("not_accepted", "closed_to_guests")


class TooManyLists(Problem):
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
    """In whose name people are invited, and where the report goes."""

    user_id: str
    address: str = ""
    language: str = ""


@dataclass(frozen=True)
class RoomSeen:
    """The room, as the owner's homeserver tells of it."""

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
    """Read and judge a file; nothing is sent. `column`: the name or number of the one that is meant.

    Raises Unreadable, TooManyLists, NoSuchColumn.
    """
    if stored.count_since(session, owner.user_id, now - DAY) >= MAX_A_DAY:
        raise TooManyLists
    reading = people_lists.read(raw, column)
    made = BulkInvite(
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
    session.add(made)
    session.flush()
    list_columns.offer(session, made, reading)
    if reading.chosen is not None:
        _fill(session, rules, now, made, reading.chosen)
    session.flush()
    return made


def choose(session: Session, rules: RuleSet, now: datetime, made: BulkInvite, number: int) -> None:
    """Read another column than before, or the first one; nothing is sent. Raises NoSuchList, AlreadySent."""
    made = stored.locked(session, made.id)
    if made.state != BulkInviteState.CHECKED:
        raise AlreadySent
    column = list_columns.offered(session, made, number)
    if column is None:
        raise NoSuchBulkInvite
    stored.forget_rows(session, made.id)
    _fill(session, rules, now, made, column)
    session.flush()


def find(session: Session, list_id: uuid.UUID, owner: str) -> BulkInvite:
    """Raises NoSuchList, also for what is somebody else's."""
    found = stored.find(session, list_id, owner=owner)
    if found is None:
        raise NoSuchBulkInvite
    return found


def store(
    session: Session, rules: RuleSet, now: datetime, made: BulkInvite, row_id: uuid.UUID
) -> None:
    """The address is meant as it is typed. Raises NoSuchList, AlreadySent."""
    row = _row_to_change(session, made, row_id)
    if Outcome(row.outcome) in NEEDS_YES:
        row.kept = True
        rejudge(session, rules, now, made)


def correct(
    session: Session,
    rules: RuleSet,
    now: datetime,
    made: BulkInvite,
    row_id: uuid.UUID,
    *,
    text: str,
) -> None:
    """Another address in place of the typed one. Raises NoSuchList, AlreadySent."""
    row = _row_to_change(session, made, row_id)
    row.typed, row.kept = people_lists.one_address(text[:MAX_TYPED]), False
    row.aside = ""
    rejudge(session, rules, now, made)


def rejudge(session: Session, rules: RuleSet, now: datetime, made: BulkInvite) -> None:
    """Judge the rows that were not sent, as if the whole list had just come in."""
    rows = stored.rows_of(session, made.id)
    texts = [Row(row.line, row.typed, row.kept, row.aside) for row in rows]
    for row, judged in zip(rows, _judge(session, rules, now, made, texts), strict=True):
        if row.step == Step.NONE:
            for name, value in _told(judged).items():
                setattr(row, name, value)
    session.flush()


def confirm(session: Session, rules: RuleSet, now: datetime, made: BulkInvite) -> int:
    """Order the sending of what can be sent; how many rows.

    Raises NothingToSend, TooManyLists, AlreadySent, ColumnToChoose.
    """
    made = stored.locked(session, made.id)
    if made.state != BulkInviteState.CHECKED:
        raise AlreadySent
    if made.address_column is None:
        raise ColumnToChoose
    if stored.count_sending(session, made.owner) >= MAX_AT_ONCE:
        raise TooManyLists
    rejudge(session, rules, now, made)
    ready = stored.rows_of(session, made.id, outcomes=[Outcome.READY])
    if not ready:
        raise NothingToSend
    stored.forget_columns(session, made.id)
    _order(session, now, made, ready)
    return len(ready)


def retry(session: Session, now: datetime, made: BulkInvite) -> int:
    """Send again what failed and may succeed now; how many rows. Raises NothingToSend, TooManyLists."""
    made = stored.locked(session, made.id)
    failed = [
        row
        for row in stored.rows_of(session, made.id, steps=[Step.FAILED])
        if row.why not in FOR_GOOD
    ]
    if not failed:
        raise NothingToSend
    if made.state != BulkInviteState.SENDING and (
        stored.count_sending(session, made.owner) >= MAX_AT_ONCE
    ):
        raise TooManyLists
    _order(session, now, made, failed)
    return len(failed)


def clean_name(file_name: str) -> str:
    """What a page may show of a file's name."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:MAX_NAME]


def _fill(
    session: Session, rules: RuleSet, now: datetime, made: BulkInvite, column: Column
) -> None:
    """The rows of this column are those of the list."""
    made.address_column, made.column_name = column.number, column.name
    made.elsewhere = column.elsewhere
    judged = _judge(session, rules, now, made, list(column.rows))
    session.add_all(
        BulkInviteRow(
            list_id=made.id,
            place=place,
            line=row.line,
            typed=row.text,
            aside=row.aside,
            **_told(each),
        )
        for place, (row, each) in enumerate(zip(column.rows, judged, strict=True))
    )


def _order(
    session: Session, now: datetime, made: BulkInvite, rows: Iterable[BulkInviteRow]
) -> None:
    made.state, made.ended_at = BulkInviteState.SENDING, None
    made.started_at = made.started_at or now
    for row in rows:
        row.step, row.why, row.later_at = Step.WAITING, None, None
        outbox.enqueue(session, JobKind.LIST_ROW, row.id, now, lane=Lane.BULK)
    session.flush()


def _judge(
    session: Session, rules: RuleSet, now: datetime, made: BulkInvite, rows: list[Row]
) -> list[Judged]:
    invited = stored.invited_by(session, now, sender=made.owner, room_id=made.room_id)
    around = Circumstances(
        own=_addresses_of(session, made.owner) | {made.owner_address},
        invited=invited,
        room_takes_guests=made.takes_guests,
        shared_mailboxes=address_lists.shared_mailboxes(session),
        exists=never_agent.has_mailboxes,
    )
    return judged_people.judge(rules, rows, around)


def _addresses_of(session: Session, user_id: str) -> set[str]:
    bound = {each.address for each in associations.of_user(session, user_id)}
    return bound | set(verified_addresses.of_user(session, user_id))


def _told(judged: Judged) -> dict[str, object]:
    return {
        "address": judged.address.canonical if judged.address else None,
        "outcome": judged.outcome.value,
        "detail": judged.detail,
        "caution": judged.caution.value,
        "for_guest": judged.for_guest,
    }


def _row_to_change(session: Session, made: BulkInvite, row_id: uuid.UUID) -> BulkInviteRow:
    if made.state != BulkInviteState.CHECKED:
        raise AlreadySent
    row = stored.row(session, row_id)
    if row is None or row.list_id != made.id:
        raise NoSuchBulkInvite
    return row
