"""Checks the rows of a list by the rules, some at a time, and again after a correction.

A short list is checked in the request that hands it in, a long one by the worker: every batch in a
transaction of its own, so that the page can say how far it has come.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.bulk_invites.checks import CheckContext, CheckedRow, RowChecker, RowOutcome
from domain_rules.bulk_invites.tables import Row
from domain_rules.rules import RuleSet
from identity.accounts import verified_addresses
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.routing import address_lists, never_agent
from identity.threepids import associations

from . import models as bulk_invites
from .models import BulkInvite, BulkInviteColumn, BulkInviteRow, BulkInviteState, Step

AT_ONCE = 500  # rows in one transaction; a list of so many is checked while its owner waits
LANE = Lane.ACCOUNTS  # a person waits, and the rows of other lists must not delay it


class Checking:
    """The check of a list: its rows are made anew from a column, a batch at a time."""

    state = BulkInviteState.CHECKING

    def __init__(
        self,
        session: Session,
        rules: RuleSet,
        now: datetime,
        bulk_invite: BulkInvite,
        rows: Sequence[Row],
    ) -> None:
        """`rows`: of its column. What decides about them is read once, whatever their number."""
        self._checker = RowChecker(rules, context_of(session, now, bulk_invite))
        self._rows = rows
        self._place = 0
        self._ready: Counter[bool] = Counter()
        self._is_empty = False

    def next_batch(self, session: Session, _now: datetime, bulk_invite: BulkInvite) -> bool:
        """Check the next rows. Returns whether more are left.

        Rows of another column, or of a worker that died, are deleted first.
        """
        if not self._is_empty:
            gone = bulk_invites.forget_rows(session, bulk_invite.id, limit=AT_ONCE)
            self._is_empty = gone < AT_ONCE
            return True
        rows = self._rows[self._place : self._place + AT_ONCE]
        judged = self._checker.check(rows)
        insert_rows(session, bulk_invite, self._place, judged)
        self._ready.update(each.for_guest for each in judged if each.outcome is RowOutcome.READY)
        self._place += len(rows)
        bulk_invite.progress = self._place
        if self._place < len(self._rows):
            return True
        record_checked(session, bulk_invite, self._ready)
        return False


def rows_of_column(session: Session, bulk_invite: BulkInvite) -> list[Row]:
    """The rows of the column that is read, as they are stored until the list is checked."""
    column = (bulk_invite.id, bulk_invite.address_column)
    found = session.get_one(BulkInviteColumn, column).rows
    return [Row(line, text, aside=aside) for line, text, aside in found]


def order_work(session: Session, now: datetime, bulk_invite: BulkInvite) -> None:
    """Have the worker do what the state of this list says, from its first row, and nothing else.

    A worker that is at this list just now ends after its batch. Lock the list before.
    """
    outbox.supersede(session, now, bulk_invite.id, JobKind.LIST_WORK)
    bulk_invite.progress = 0
    outbox.enqueue(session, JobKind.LIST_WORK, bulk_invite.id, now, lane=LANE)


def context_of(
    session: Session,
    now: datetime,
    bulk_invite: BulkInvite,
    *,
    among: Collection[str] | None = None,
) -> CheckContext:
    """What else decides about the rows of this list. `among`: all the addresses of interest."""
    invited = bulk_invites.find_invited_addresses(
        session, now, sender=bulk_invite.owner, room_id=bulk_invite.room_id, among=among
    )
    return CheckContext(
        own=_addresses_of(session, bulk_invite.owner) | {bulk_invite.owner_address},
        invited=invited,
        room_takes_guests=bulk_invite.takes_guests,
        shared_mailboxes=address_lists.shared_mailboxes(session),
        exists=never_agent.has_mailboxes,
    )


def insert_rows(
    session: Session, bulk_invite: BulkInvite, place: int, judged: Sequence[CheckedRow]
) -> None:
    """Store these rows; the first one stands at this place of the list."""
    values = [
        {
            "list_id": bulk_invite.id,
            "place": place + number,
            "line": each.row.line,
            "typed": each.row.text,
            "aside": each.row.aside,
            **judgement_values(each),
        }
        for number, each in enumerate(judged)
    ]
    if values:
        session.connection().execute(insert(BulkInviteRow), values)


def record_checked(session: Session, bulk_invite: BulkInvite, ready: Counter[bool]) -> None:
    """All rows are checked: the page shows them, with the columns if there is a choice."""
    bulk_invite.state = BulkInviteState.CHECKED
    bulk_invite.ready_guests, bulk_invite.ready_agents = ready[True], ready[False]
    if len(bulk_invites.columns_of(session, bulk_invite.id)) == 1:
        bulk_invites.forget_columns(session, bulk_invite.id)


def judge_like(
    session: Session,
    rules: RuleSet,
    now: datetime,
    bulk_invite: BulkInvite,
    row: BulkInviteRow,
) -> None:
    """Check a changed row again, and those with the address or mailbox that it had or has now.

    No other row depends on it, so the cost is that of a few rows, however long the list is.
    """
    session.flush()
    address = _address_in(rules, row)
    addresses = {each for each in (row.address, address and address.canonical) if each}
    mailboxes = {each for each in (row.mailbox, address and address.mailbox_key()) if each}
    like = bulk_invites.rows_like(session, bulk_invite.id, addresses, mailboxes)
    affected = sorted({each.id: each for each in (*like, row)}.values(), key=_place_of)
    texts = [Row(each.line, each.typed, each.kept, each.aside) for each in affected]
    around = context_of(
        session, now, bulk_invite, among=addresses | {e.address or "" for e in like}
    )
    before, after = Counter(map(_ready_for, affected)), Counter[bool | None]()
    for each, judged in zip(affected, RowChecker(rules, around).check(texts), strict=True):
        for name, value in judgement_values(judged).items():
            setattr(each, name, value)
        after[_ready_for(each)] += 1
    if bulk_invite.ready_guests is not None and bulk_invite.ready_agents is not None:
        bulk_invite.ready_guests += after[True] - before[True]
        bulk_invite.ready_agents += after[False] - before[False]
    session.flush()


def judgement_values(judged: CheckedRow) -> dict[str, object]:
    """The columns of a row that its check sets."""
    address = judged.address
    return {
        "address": address.canonical if address else None,
        "mailbox": address.mailbox_key() if address else None,
        "outcome": judged.outcome.value,
        "detail": judged.detail,
        "caution": judged.caution.value,
        "for_guest": judged.for_guest,
    }


def _ready_for(row: BulkInviteRow) -> bool | None:
    """Whether a row that can be sent is for a guest; None: it cannot be sent."""
    is_ready = row.outcome == RowOutcome.READY and row.step == Step.NONE
    return row.for_guest if is_ready else None


def _place_of(row: BulkInviteRow) -> int:
    return row.place


def _address_in(rules: RuleSet, row: BulkInviteRow) -> EmailAddress | None:
    try:
        return rules.read(row.typed)
    except InvalidAddress:
        return None


def _addresses_of(session: Session, user_id: str) -> set[str]:
    bound = {each.address for each in associations.find_by_user(session, user_id)}
    return bound | set(verified_addresses.addresses_of(session, user_id))
