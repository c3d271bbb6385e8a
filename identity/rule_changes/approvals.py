"""Who may let a change of rules come into force: another person, unless one is enough by policy.

`GUICHET_APPROVALS`: `two` asks for an approver who did not make the change, as soon as two
approvers are enabled; `one` does not.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.operators import models as operators, service as operating
from identity.operators.models import Operator
from identity.problems import (
    ApprovalNeeded,
    NotNow,
    NotPermitted,
    OwnApproval,
    TooCloseToApprove,
    WrongParameter,
)
from identity.settings import Settings

from . import changes, lines, rolling_back, scopes, targets, telling, warnings
from .change_models import Change, ChangeState

ENOUGH: Final = 2  # approvers
MANY_LINES: Final = 1_000
REVIEW_WITHIN: Final = timedelta(hours=48)
LEAST_WHY: Final = 20  # characters, of who breaks the glass
READY: Final = (ChangeState.CHECKED, ChangeState.PROPOSED)
FARTHEST: Final = timedelta(days=366)
TO_TYPE: Final = ("change_homeserver", "become_guests", "lose_access")


def needs_two(session: Session, settings: Settings) -> bool:
    """Whether a change must be approved by somebody who did not make it, as of now."""
    wanted = settings.approvals or ("one" if settings.is_embedded else "two")
    if wanted == "one":
        return False
    return operators.count_approvers(session, in_trial=settings.is_local) >= ENOUGH


def approve(
    session: Session,
    settings: Settings,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    approver: Operator,
    typed: str = "",
    due_at: datetime | None = None,
    waits: bool = False,
) -> None:
    """Approve its counts, and let the worker apply it: now, at `due_at`, or (`waits`) when told.

    `typed`: what the approver typed, see `words_to_type`. Raises OwnApproval, TooCloseToApprove,
    NotPermitted (its scope), WrongParameter (typed, due_at), TargetNotReady, NotNow.
    """
    changes.lock(session, change)
    alone = not needs_two(session, settings) or (
        due_at is None and rolling_back.may_apply_alone(session, now, change, approver.id)
    )
    if not alone:
        _check_other(session, now, approver, change)
    check_scope(session, approver, change)
    check_typed(change, typed)
    targets.check_ready(session, now, change)
    before = READY if alone else (ChangeState.PROPOSED,)
    _promise(session, now, who, change, before, approver=approver)
    facts: dict[str, object] = {"counts": changes.numbers_of(change.promised)}
    changes.write(session, now, who, "approve", change, **facts)
    if waits:
        return
    _order(session, now, change, due_at)
    if due_at is not None:
        changes.write(session, now, who, "schedule", change, due_at=_text(due_at))


def apply_approved(
    session: Session, now: datetime, who: Actor, change: Change, *, due_at: datetime | None = None
) -> None:
    """Let the worker apply what was approved: now, or at `due_at`; also move that moment.

    Raises WrongParameter for a moment that is past or more than a year away, NotNow.
    """
    _order(session, now, change, due_at)
    if due_at is not None:
        changes.write(session, now, who, "schedule", change, due_at=_text(due_at))
    else:
        changes.write(session, now, who, "apply", change)


def promise_alone(
    session: Session, settings: Settings, now: datetime, who: Actor, change: Change
) -> None:
    """Approve a checked change by command, where one person is enough.

    Raises ApprovalNeeded, NotNow.
    """
    changes.lock(session, change)
    if needs_two(session, settings):
        raise ApprovalNeeded
    _promise(session, now, who, change, READY, approver=None)


def apply_alone(
    session: Session,
    settings: Settings,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    typed: str = "",
    due_at: datetime | None = None,
) -> None:
    """Let the worker apply a checked change, by command, where one person is enough.

    What another person approved may be applied in any case. Raises ApprovalNeeded, WrongParameter
    (typed, due_at), TargetNotReady, NotNow.
    """
    if change.state not in {ChangeState.APPROVED, ChangeState.SCHEDULED}:
        check_typed(change, typed)
        targets.check_ready(session, now, change)
        promise_alone(session, settings, now, who, change)
    apply_approved(session, now, who, change, due_at=due_at)


def break_glass(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    approver: Operator | None,
    typed: str = "",
) -> None:
    """Let the worker apply it without approval; another person reviews it within 48 hours.

    `approver`: null for a command of the shell. Raises WrongParameter (the reason is short, typed),
    NotPermitted, NotNow.
    """
    changes.lock(session, change)
    check_typed(change, typed)
    promise_without_approval(session, now, who, change, approver=approver)
    _order(session, now, change, None)


def promise_without_approval(
    session: Session, now: datetime, who: Actor, change: Change, *, approver: Operator | None
) -> None:
    """Record who breaks the glass and why; every approver is told.

    Raises WrongParameter if the reason is short, NotPermitted, NotNow.
    """
    if len(who.reason.strip()) < LEAST_WHY:
        raise WrongParameter(f"Say why, in {LEAST_WHY} characters at least.")
    if approver is not None:
        check_scope(session, approver, change)
    _promise(session, now, who, change, READY, approver=approver)
    change.broken_glass_at, change.broken_glass_reason = now, who.reason
    change.review_until = now + REVIEW_WITHIN
    session.flush()
    changes.write(
        session, now, who, "break_glass", change, counts=changes.numbers_of(change.promised)
    )
    telling.tell_broken_glass(session, now, change)


def review(
    session: Session, now: datetime, who: Actor, change: Change, *, reviewer: Operator
) -> None:
    """Record that another person read what was applied without approval, and keeps it.

    Raises OwnApproval, TooCloseToApprove, NotNow.
    """
    changes.lock(session, change)
    if not telling.waits_for_review(change) or change.state not in changes.WERE_IN_FORCE:
        raise NotNow(f"{change.label} waits for no review.")
    if reviewer.id == change.applied_by_id:
        raise OwnApproval
    _check_other(session, now, reviewer, change, change.applied_by)
    change.reviewed_at, change.reviewed_by = now, who.name
    session.flush()
    changes.write(session, now, who, "review", change)


def check_scope(session: Session, approver: Operator, change: Change) -> None:
    """Raises NotPermitted: a line lies outside the approver's scope, or it takes scope over all."""
    scope = approver.scope
    if scope.is_all:
        return
    # A check of before this was asked does not say so: then it has to be made again.
    if change.lines > MANY_LINES or change.counts.get("is_large", True):
        raise NotPermitted("This change takes an approver for the whole federation.")
    if scopes.count_lines_of_all(session, change):
        raise NotPermitted("This change takes an approver for the whole federation.")
    difference = lines.compare(session, change)
    scopes.check_rules(session, scope, [*difference.ended, *difference.begun])


def words_to_type(change: Change) -> str:
    """What is typed to let it in; empty for nothing.

    A domain that looks like another one, letter by letter (A-label); else the largest number of
    people whom the change hurts.
    """
    if alike := find_look_alike(change):
        return str(alike["domain"])
    worst = max((change.counts.get(name, 0) for name in TO_TYPE), default=0)
    return str(worst) if worst else ""


def find_look_alike(change: Change) -> dict[str, Any] | None:
    """The warning of a domain that it opens and that can be mistaken for one that is open."""
    found = change.counts.get("warnings", ())
    return next((each for each in found if each["kind"] == warnings.LOOK_ALIKE), None)


def check_typed(change: Change, typed: str) -> None:
    """Raises WrongParameter unless what was typed is what the change asks."""
    wanted = words_to_type(change)
    if wanted and "".join(typed.split()) != wanted:
        what = "it looks like another domain" if find_look_alike(change) else "people it affects"
        raise WrongParameter(f"Type {wanted}: {what}.")


def _check_other(
    session: Session, now: datetime, approver: Operator, change: Change, *also: str | None
) -> None:
    """Raises OwnApproval, TooCloseToApprove. `also`: the names of others who brought it on."""
    own = {change.author, change.proposed_by, *change.editors, *also}
    if approver.id == change.author_id or approver.name in own:
        raise OwnApproval
    for name in own - {None}:
        other = operators.find_by_name(session, name or "")
        if other and operating.are_close(session, approver, other, now):
            raise TooCloseToApprove


def _order(session: Session, now: datetime, change: Change, due_at: datetime | None) -> None:
    """Let the worker apply what is approved. Raises WrongParameter, NotNow."""
    if due_at is not None and not now < due_at <= now + FARTHEST:
        raise WrongParameter("A change is scheduled for a moment to come, within a year.")
    before = (ChangeState.APPROVED, ChangeState.SCHEDULED)
    after = ChangeState.APPLYING if due_at is None else ChangeState.SCHEDULED
    changes.advance(session, change, before, after, due_at=due_at, changed_at=now)
    outbox.supersede(session, now, change.id, JobKind.CHANGE_APPLY)
    outbox.enqueue(session, JobKind.CHANGE_APPLY, change.id, now, lane=Lane.NORMAL, due_at=due_at)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _promise(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    before: tuple[ChangeState, ...],
    *,
    approver: Operator | None,
) -> None:
    """Record who let in which counts. Raises NotNow."""
    by = {"approved_by": who.name, "approved_by_id": approver.id if approver else None}
    changes.advance(
        session,
        change,
        before,
        ChangeState.APPROVED,
        approved_at=now,
        promised=change.counts,
        changed_at=now,
        why="",
        why_code="",
        **changes.NO_GLASS,
        **by,
    )
