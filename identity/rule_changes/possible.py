"""What can be done with a change as it stands, and whether this operator is the one to do it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from identity.core.outbox import JobKind
from identity.settings import Settings

from . import approvals, changes, rolling_back, telling
from .change_models import EDITABLE, Change, ChangeState


@dataclass(frozen=True)
class Somebody:
    """An operator, as far as is asked here."""

    id: uuid.UUID
    name: str


class Step(StrEnum):
    """A step that leads a change on."""

    EDIT = "edit"
    CHECK = "check"
    PROPOSE = "propose"
    APPROVE = "approve"
    APPLY = "apply"  # what was approved, or move its moment
    RETURN = "return"
    BREAK_GLASS = "break_glass"
    ROLL_BACK = "roll_back"
    REVIEW = "review"
    ABANDON = "abandon"


STEPS: Final = {
    ChangeState.DRAFT: (Step.EDIT, Step.CHECK, Step.ABANDON),
    ChangeState.CHECKING: (Step.ABANDON,),
    ChangeState.CHECKED: (Step.EDIT, Step.PROPOSE, Step.BREAK_GLASS, Step.CHECK, Step.ABANDON),
    ChangeState.PROPOSED: (Step.APPROVE, Step.RETURN, Step.BREAK_GLASS, Step.CHECK, Step.ABANDON),
    ChangeState.APPROVED: (Step.APPLY, Step.RETURN, Step.ABANDON),
    ChangeState.SCHEDULED: (Step.APPLY, Step.RETURN, Step.ABANDON),
    ChangeState.APPLYING: (),
    ChangeState.APPLIED: (Step.ROLL_BACK,),
    ChangeState.ROLLED_BACK: (),
    ChangeState.ABANDONED: (),
}


def find_steps(
    session: Session, settings: Settings, now: datetime, change: Change, who: Somebody
) -> frozenset[Step]:
    """The steps that this operator can take, their roles not asked: the caller asks those."""
    again = (Step.EDIT, Step.CHECK, Step.ABANDON) if change.state in EDITABLE else ()
    steps = set(STEPS.get(ChangeState(change.state), again))
    if change.lines == 0:
        steps -= {Step.CHECK, Step.PROPOSE}
    alone = may_alone(session, settings, now, change, who)
    if alone and change.state == ChangeState.CHECKED:
        steps = (steps | {Step.APPROVE}) - {Step.PROPOSE, Step.BREAK_GLASS}
    if alone:
        steps.discard(Step.BREAK_GLASS)
    elif is_own(change, who):
        steps.discard(Step.APPROVE)
    is_unread = telling.waits_for_review(change) and change.state in changes.WERE_IN_FORCE
    if is_unread and not is_own(change, who, applied=True):
        steps.add(Step.REVIEW)
    return frozenset(steps)


def may_alone(
    session: Session, settings: Settings, now: datetime, change: Change, who: Somebody
) -> bool:
    """Whether no other person is asked: by policy, or for the reversal of one's own."""
    if not approvals.needs_two(session, settings):
        return True
    return rolling_back.may_apply_alone(session, now, change, who.id)


def is_own(change: Change, who: Somebody, *, applied: bool = False) -> bool:
    """Whether this operator made, edited or proposed it; `applied`: or let it come into force."""
    ids = {change.author_id, change.applied_by_id if applied else None}
    names = {change.author, change.proposed_by, *change.editors}
    names |= {change.applied_by} if applied else set()
    return who.id in ids or who.name in names


def is_waiting(change: Change) -> bool:
    """Whether the worker is at it, so that it is worth looking again."""
    return change.state in {ChangeState.CHECKING, ChangeState.APPLYING}


def is_stuck(session: Session, change: Change) -> bool:
    """Whether the worker gave up what it was to do with it."""
    jobs = {
        ChangeState.CHECKING: JobKind.CHANGE_CHECK,
        ChangeState.APPLYING: JobKind.CHANGE_APPLY,
    }
    kind = jobs.get(ChangeState(change.state))
    return kind is not None and changes.is_given_up(session, change, kind)
