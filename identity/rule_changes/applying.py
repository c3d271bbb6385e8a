"""Publishes an approved change, if it still affects no more people than were approved."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane

from . import change_models as models, changes, checking, service
from .change_models import Change, ChangeState
from .checking import Checked

BY = "worker"
TO_APPLY = (ChangeState.APPLYING, ChangeState.SCHEDULED)


@dataclass(frozen=True)
class Applied:
    """What became of it. `is_moved`: what was counted has changed, so it is to be counted anew."""

    state: ChangeState
    is_moved: bool = False


def apply(session: Session, now: datetime, change: Change, checked: Checked) -> Applied:
    """Publish it in this transaction, or say why not. `checked`: counted just before."""
    if change.state not in TO_APPLY:  # withdrawn, or applied by another worker
        return Applied(ChangeState(change.state))
    if checking.basis_of(session) != checked.basis:
        return Applied(ChangeState(change.state), is_moved=True)
    who = Actor(change.approved_by or change.author, f"{BY}, {change.label}", change.reason)
    if checking.worse_than_promised(change.promised, checked.counts):
        return _give_back(session, now, who, change, checked)
    number = service.publish(session, now, checked.difference, who)
    changes.move(
        session,
        change,
        TO_APPLY,
        ChangeState.APPLIED,
        revision=number if number > checked.difference.base else None,
        applied_at=now,
        applied_by=change.approved_by,
        applied_by_id=change.approved_by_id,
        counts=checked.counts,
        ended_at=now,
        changed_at=now,
    )
    _record_reversal(session, now, change)
    outbox.enqueue(session, JobKind.CHANGE_APPLIED, change.id, now, lane=Lane.BULK)
    changes.write(session, now, who, "applied", change, revision=number, counts=checked.counts)
    return Applied(ChangeState.APPLIED)


def make_stale(session: Session, now: datetime, change: Change, touched: list[service.Key]) -> None:
    """Rules of its lines were changed since its base: it is to be looked at again."""
    named = ", ".join(f"{kind}:{pattern}".removesuffix(":") for kind, pattern in touched[:5])
    before = (ChangeState.CHECKING, *TO_APPLY)
    changes.move(session, change, before, ChangeState.STALE, why=named, changed_at=now)


def fail(session: Session, now: datetime, change: Change, why: str) -> None:
    """It cannot be checked or applied."""
    before = (ChangeState.CHECKING, *TO_APPLY)
    changes.move(session, change, before, ChangeState.FAILED, why=why, changed_at=now)


def _give_back(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    checked: Checked,
) -> Applied:
    """Back to proposed: more people would be affected than were approved."""
    changes.move(
        session,
        change,
        TO_APPLY,
        ChangeState.PROPOSED,
        counts=checked.counts,
        base=checked.difference.base,
        checked_at=now,
        changed_at=now,
        why=", ".join(checking.worse_than_promised(change.promised, checked.counts)),
        due_at=None,
    )
    changes.write(
        session, now, who, "not_applied", change, promised=change.promised, counts=checked.counts
    )
    return Applied(ChangeState.PROPOSED)


def _record_reversal(session: Session, now: datetime, change: Change) -> None:
    reversed_one = change.reverses and models.find_by_id(session, change.reverses)
    if reversed_one:
        changes.move(
            session, reversed_one, (ChangeState.APPLIED,), ChangeState.ROLLED_BACK, changed_at=now
        )
