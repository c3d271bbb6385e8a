"""Orders the mails to approvers about changes: one was not applied, or waits for a review."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.operators import models as operators
from identity.operators.models import Operator
from identity.operators.roles import Role

from .change_models import Change, ChangeState

AGAIN_AFTER: Final = timedelta(days=1)


def tell_not_applied(session: Session, now: datetime, change: Change) -> None:
    """Tell its approver that more people would be affected than they approved."""
    approver = change.approved_by_id and operators.find(session, change.approved_by_id)
    if approver and approver.disabled_at is None:
        _order(session, now, approver, change)


def tell_broken_glass(session: Session, now: datetime, change: Change) -> None:
    """Tell every approver that it is applied without approval, and remind them once it is late."""
    _tell_approvers(session, now, change)
    if change.review_until:
        _remind_at(session, now, change, change.review_until)


def remind(session: Session, now: datetime, change: Change) -> None:
    """Tell every approver once more, each day, until somebody has reviewed it."""
    if waits_for_review(change):
        _tell_approvers(session, now, change)
        _remind_at(session, now, change, now + AGAIN_AFTER)


def waits_for_review(change: Change) -> bool:
    """Whether it came into force without approval, and nobody else has read it since.

    Also one that whoever applied it has rolled back: nobody ends the review of their own deed.
    """
    unread = change.broken_glass_at is not None and change.reviewed_at is None
    applied = {ChangeState.APPROVED, ChangeState.APPLYING, ChangeState.APPLIED}
    return unread and change.state in {*applied, ChangeState.ROLLED_BACK}


def _tell_approvers(session: Session, now: datetime, change: Change) -> None:
    for approver in operators.find_enabled(session, Role.APPROVER):
        if change.broken_glass_at is None or approver.id != change.approved_by_id:
            _order(session, now, approver, change)


def _remind_at(session: Session, now: datetime, change: Change, due_at: datetime) -> None:
    kind = JobKind.CHANGE_REVIEW
    outbox.enqueue(session, kind, change.id, now, lane=Lane.BULK, due_at=due_at)


def _order(session: Session, now: datetime, to: Operator, change: Change) -> None:
    """The embedded operator has no mailbox."""
    if to.mail is None:
        return
    mails.lock_address(session, to.mail)
    mails.order(
        session,
        now,
        template=Template.CHANGE_NOTICE,
        address=to.mail,
        language=to.language,
        subject_id=change.id,
    )
