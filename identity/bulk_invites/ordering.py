"""Orders the rows of a confirmed list, orders those that failed once more, and stops a list.

All of it a batch in a transaction: at once for a short list, by the worker for a long one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from domain_rules.bulk_invites.checks import CheckedRow, RowChecker, RowOutcome
from domain_rules.bulk_invites.tables import Row
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.core import outbox, rows
from identity.core.outbox import Job, JobKind, Lane

from . import checking, models as bulk_invites, quota as quotas, sending
from .models import BulkInvite, BulkInviteRow, BulkInviteState, Step

STOPPED = "stopped"  # a word of pages/wording.py
# Ready, but its list is stopped before the worker came to it.
LEFT = (BulkInviteRow.step == Step.NONE) & ~bulk_invites.IS_DOUBTFUL


Rows = Sequence[Any]
"""Rows of a list, as `models.judged_rows` returns them."""


class Ordering:
    """Rules may have changed since the check: each row is judged again, then ordered if ready."""

    state = BulkInviteState.ORDERING

    def __init__(
        self, session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, quota: int
    ) -> None:
        """`quota`: of the organisation, a day."""
        self._checker = RowChecker(rules, checking.context_of(session, now, bulk_invite))
        self._organisation = quotas.organisation_of(session, rules, bulk_invite.owner)
        self._quota = quota
        self._place = -1

    def next_batch(self, session: Session, now: datetime, bulk_invite: BulkInvite) -> bool:
        """Order the next rows. Returns whether more are left."""
        bulk_invite.organisation = self._organisation
        if self._place < 0:  # a worker before this one may have died
            bulk_invite.progress = 0
        batch = self._find(session, bulk_invite)
        ready = self._choose(session, batch)
        order(session, now, bulk_invite, ready, quota=self._quota)
        bulk_invite.progress += len(batch)
        if len(batch) == checking.AT_ONCE:
            self._place = batch[-1].place
            return True
        end(session, now, bulk_invite)
        return False

    def _find(self, session: Session, bulk_invite: BulkInvite) -> Rows:
        return bulk_invites.judged_rows(
            session, bulk_invite.id, after=self._place, limit=checking.AT_ONCE
        )

    def _choose(self, session: Session, batch: Rows) -> Rows:
        """Those that can be sent; rows of before a crash are ordered already."""
        texts = [Row(row.line, row.typed, row.kept, row.aside) for row in batch]
        judged = list(zip(batch, self._checker.check(texts), strict=True))
        undecided = [(row, each) for row, each in judged if row.step == Step.NONE]
        _store_changes(session, undecided)
        return [row for row, each in undecided if each.outcome is RowOutcome.READY]


class Retrying(Ordering):
    """What failed is ordered again as it stands, as what was stopped."""

    state = BulkInviteState.REORDERING

    def _find(self, session: Session, bulk_invite: BulkInvite) -> Rows:
        return bulk_invites.judged_rows(
            session,
            bulk_invite.id,
            bulk_invites.FAILED_FOR_NOW,
            after=self._place,
            limit=checking.AT_ONCE,
        )

    def _choose(self, _session: Session, batch: Rows) -> Rows:
        return batch


class Stopping:
    """What waits is taken back, ordered or not, except rows that a worker is sending just now."""

    state = BulkInviteState.STOPPING

    def __init__(self) -> None:
        """From the first row on."""
        self._place = -1

    def next_batch(self, session: Session, now: datetime, bulk_invite: BulkInvite) -> bool:
        """Take back the next rows. Returns whether more are left."""
        waits = (BulkInviteRow.step == Step.WAITING) | LEFT
        batch = bulk_invites.judged_rows(
            session, bulk_invite.id, waits, after=self._place, limit=checking.AT_ONCE
        )
        own = (Job.kind == JobKind.LIST_ROW, Job.subject_id.in_([row.id for row in batch]))
        ended = outbox.end_unbegun(session, now, STOPPED, *own)
        # One that was held and let go may be of an earlier day than it says.
        days = [job.created_at for job in ended if job.released_at is None]
        quotas.give_back(session, now, bulk_invite.organisation, days)
        left = [row.id for row in batch if row.step == Step.NONE]
        stopped = BulkInviteRow.id.in_([*(job.subject_id for job in ended), *left])
        begun = BulkInviteRow.invitation_id.is_not(None)
        for row in bulk_invites.rows_of(session, bulk_invite.id, stopped, begun):
            sending.revoke_unmailed(session, now, row, by=bulk_invite.owner)
        values = {"step": Step.FAILED, "why": STOPPED, "later_at": None}
        rows.update(session, BulkInviteRow, stopped, **values)
        bulk_invite.progress += len(batch)
        if len(batch) == checking.AT_ONCE:
            self._place = batch[-1].place
            return True
        bulk_invite.delayed_until = None
        end(session, now, bulk_invite)
        return False


Work = checking.Checking | Ordering | Stopping


def work_of(
    session: Session, rules: RuleSet, now: datetime, bulk_invite: BulkInvite, *, quota: int
) -> Work | None:
    """What the state of this list says is to be done; None: nothing, or its rows are being sent."""
    match bulk_invite.state:
        case BulkInviteState.CHECKING:
            of_column = checking.rows_of_column(session, bulk_invite)
            return checking.Checking(session, rules, now, bulk_invite, of_column)
        case BulkInviteState.ORDERING:
            return Ordering(session, rules, now, bulk_invite, quota)
        case BulkInviteState.REORDERING:
            return Retrying(session, rules, now, bulk_invite, quota)
        case BulkInviteState.STOPPING:
            return Stopping()
        case _:
            return None


def order(
    session: Session,
    now: datetime,
    bulk_invite: BulkInvite,
    ready: Rows,
    *,
    quota: int,
) -> None:
    """Let these rows wait for the worker, each until its day within the organisation's quota."""
    due = quotas.reserve(session, now, bulk_invite.organisation, len(ready), quota=quota)
    homeserver = homeserver_of(bulk_invite.owner)
    ordered = [(row.id, at) for row, at in zip(ready, due, strict=True)]
    outbox.enqueue_all(
        session, JobKind.LIST_ROW, ordered, now, lane=Lane.BULK, homeserver=homeserver
    )
    for at in sorted(set(due)):
        is_later = at > now
        waits = BulkInviteRow.id.in_([row_id for row_id, row_at in ordered if row_at == at])
        values = {"step": Step.WAITING, "why": None, "later_at": at if is_later else None}
        rows.update(session, BulkInviteRow, waits, **values)
        if is_later:
            bulk_invite.delayed_until = max(at, bulk_invite.delayed_until or at)


def end(session: Session, now: datetime, bulk_invite: BulkInvite) -> None:
    """All batches are done: the rows that wait are sent; without any the list is done."""
    bulk_invite.state = BulkInviteState.SENDING
    session.flush()
    session.expire_all()
    sending.finish_if_last(session, now, bulk_invite)


def _store_changes(session: Session, judged: Sequence[tuple[Any, CheckedRow]]) -> None:
    """Write the judgements that differ from the stored ones: most often none."""
    changed: list[dict[str, Any]] = []
    for row, each in judged:
        values = checking.judgement_values(each)
        if any(getattr(row, name) != value for name, value in values.items()):
            changed.append({"row_id": row.id, **values})
    if changed:
        named: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name != "row_id"}
        statement = (
            update(BulkInviteRow).where(BulkInviteRow.id == bindparam("row_id")).values(named)
        )
        session.connection().execute(statement, changed)
