"""Publishes an approved change, if it still affects no more people than were approved."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.core.personal_data import mask_names

from . import change_models as models, changes, checking, lines, scopes, service, telling
from .change_models import Change, ChangeState, Obstacle
from .checking import Checked

BY = "worker"
TO_APPLY = (ChangeState.APPLYING, ChangeState.SCHEDULED)


@dataclass(frozen=True)
class Applied:
    """What became of it. `is_moved`: what was counted has changed, so it is to be counted anew."""

    state: ChangeState
    is_moved: bool = False


def is_due(change: Change, now: datetime) -> bool:
    """Whether it is to be applied now: it was approved, and not scheduled for later meanwhile."""
    return change.state in TO_APPLY and (change.due_at is None or change.due_at <= now)


def apply(session: Session, now: datetime, change: Change, checked: Checked) -> Applied:
    """Publish it in this transaction, or say why not. `checked`: counted just before.

    If more people would be affected than were approved, it goes back to `proposed`.
    """
    if not is_due(change, now):  # withdrawn, or applied by another worker
        return Applied(ChangeState(change.state))
    if checking.basis_of(session, checked.difference) != checked.basis:
        return Applied(ChangeState(change.state), is_moved=True)
    who = Actor(change.approved_by or change.author, f"{BY}, {change.label}", change.reason)
    if checking.worse_than_promised(change.promised, checked.counts):
        return _give_back(session, now, who, change, checked)
    publish(session, now, who, change, checked)
    return Applied(ChangeState.APPLIED)


def publish(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    checked: Checked,
    *,
    before: tuple[ChangeState, ...] = TO_APPLY,
) -> int:
    """Publish what was counted as the next revision; the number of that in force afterwards.

    Raises BaseMoved, NotNow.
    """
    number = service.publish(session, now, checked.difference, who)
    applied = {
        "revision": number if number > checked.difference.base else None,
        "applied_at": now,
        "applied_by": change.approved_by,
        "applied_by_id": change.approved_by_id,
        "counts": checked.counts,
        "due_at": None,
        "ended_at": now,
        "changed_at": now,
    }
    changes.advance(session, change, before, ChangeState.APPLIED, **applied)
    checking.store_effects(session, change.id, checked)
    scopes.record_anew(session, change, checked.difference)
    _record_reversal(session, now, change)
    outbox.enqueue(session, JobKind.CHANGE_APPLIED, change.id, now, lane=Lane.BULK)
    facts = {"revision": number, "counts": changes.numbers_of(checked.counts)}
    changes.write(session, now, who, "applied", change, **facts)
    return number


def make_stale(session: Session, now: datetime, change: Change) -> None:
    """Rules of its lines were changed since its base: it is to be looked at again."""
    touched = lines.find_touched(session, change)
    named = mask_names(", ".join(map(lines.name_of, touched[:5])))
    before = (ChangeState.CHECKING, *TO_APPLY)
    code = {"why_code": Obstacle.CHANGED}
    stopped = {"why": named, **code, "changed_at": now, "due_at": None, **changes.NO_GLASS}
    if changes.move(session, change, before, ChangeState.STALE, **stopped):
        changes.write(session, now, _worker(change), "stale", change, rules=named)


def fail(session: Session, now: datetime, change: Change, what: Obstacle, why: str) -> None:
    """It cannot be checked or applied. `why`: in English, for commands and programs."""
    before = (ChangeState.CHECKING, *TO_APPLY)
    stopped = {"why": why, "why_code": what, "changed_at": now, "due_at": None, **changes.NO_GLASS}
    if changes.move(session, change, before, ChangeState.FAILED, **stopped):
        changes.write(session, now, _worker(change), "fail", change, why=why)


def _worker(change: Change) -> Actor:
    return Actor(BY, f"{BY}, {change.label}", change.reason)


def _give_back(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    checked: Checked,
) -> Applied:
    """Back to proposed: more people would be affected than were approved."""
    worse = checking.worse_than_promised(change.promised, checked.counts)
    counted = {"counts": checked.counts, "base": checked.difference.base, "checked_at": now}
    said = {"why": ", ".join(worse), "why_code": Obstacle.WORSE}
    back = {"changed_at": now, **said, "due_at": None, **changes.NO_GLASS}
    changes.advance(session, change, TO_APPLY, ChangeState.PROPOSED, **counted, **back)
    checking.store_effects(session, change.id, checked)
    numbers = {
        "promised": changes.numbers_of(change.promised),
        "counts": changes.numbers_of(checked.counts),
    }
    changes.write(session, now, who, "not_applied", change, **numbers)
    telling.tell_not_applied(session, now, change)
    return Applied(ChangeState.PROPOSED)


def _record_reversal(session: Session, now: datetime, change: Change) -> None:
    """What it reverses is rolled back; who made or approved that has reviewed it, unless it is own."""
    found = change.reverses and models.find_by_id(session, change.reverses)
    if not found:
        return
    read: dict[str, object] = {}
    own = {found.applied_by, found.author, found.proposed_by, *found.editors}
    readers = [name for name in (change.author, change.approved_by) if name and name not in own]
    if found.broken_glass_at and not found.reviewed_at and readers:
        read = {"reviewed_at": now, "reviewed_by": readers[0]}
    before = (ChangeState.APPLIED,)
    changes.move(session, found, before, ChangeState.ROLLED_BACK, changed_at=now, **read)
