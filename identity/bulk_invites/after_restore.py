"""What may have been done for lists of people since a loaded backup was made."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.core import outbox, rows
from identity.core.outbox import Job, JobKind

from . import models as bulk_invites
from .models import BulkInvite, BulkInviteRow, BulkInviteState, Step

ORDERING, REORDERING = BulkInviteState.ORDERING, BulkInviteState.REORDERING
RESTORED: Final = "restored"  # a word of pages/wording.py


def fail_rows(session: Session, now: datetime, before: datetime, why: str) -> int:
    """People who were not invited yet when the backup was made: they may have been invited since.

    Those whose invitation was stored already are placed again, with the same token. `before`: when
    the lists were started. `why`: for their jobs. Returns how many people.
    """
    row = BulkInviteRow
    started = func.coalesce(BulkInvite.started_at, BulkInvite.created_at) <= before
    lists = select(BulkInvite.id).where(started)
    ordering = lists.where(BulkInvite.state.in_((ORDERING, REORDERING)))
    unordered = (row.step == Step.NONE) & ~bulk_invites.IS_DOUBTFUL & row.list_id.in_(ordering)
    waiting = (row.step == Step.WAITING) & row.invitation_id.is_(None) & row.list_id.in_(lists)
    which = waiting | unordered
    failed = select(row.id).where(which)
    outbox.end(session, now, why, Job.kind == JobKind.LIST_ROW, Job.subject_id.in_(failed))
    count = rows.update(session, row, which, step=Step.FAILED, why=RESTORED, later_at=None)
    begun = BulkInvite.id.in_(ordering)
    outbox.end(session, now, why, Job.kind == JobKind.LIST_WORK, Job.subject_id.in_(ordering))
    rows.update(session, BulkInvite, begun, state=BulkInviteState.SENDING)
    sending = lists.where(BulkInvite.state == BulkInviteState.SENDING)
    for list_id in session.scalars(sending).all():
        bulk_invites.finish(session, list_id, now)  # its report may have been sent
    return count
