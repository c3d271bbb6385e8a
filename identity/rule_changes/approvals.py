"""Who may let a change of rules come into force: another person, unless one is enough by policy.

`GUICHET_APPROVALS`: `two` asks for an approver who did not make the change, as soon as two
approvers are enabled; `one` does not.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind
from identity.core import outbox
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.mail.models import mailbox_of
from identity.operators import models as operators
from identity.operators.models import Operator
from identity.operators.roles import Role
from identity.problems import (
    ApprovalNeeded,
    NotNow,
    NotPermitted,
    OwnApproval,
    TooCloseToApprove,
    WrongParameter,
)
from identity.settings import Settings

from . import change_models as models, changes, rolling_back
from .change_models import Act, Change, ChangeState

CLOSE_FOR: Final = timedelta(days=30)
ENOUGH: Final = 2  # approvers
MANY_LINES: Final = 1_000
LARGE_SHARE: Final = 0.1  # of the known addresses
REVIEW_WITHIN: Final = timedelta(hours=48)
LEAST_WHY: Final = 20  # characters, of who breaks the glass
READY: Final = (ChangeState.CHECKED, ChangeState.PROPOSED)
AFFECTING: Final = ("change_homeserver", "become_agents", "become_guests", "lose_access")


def needs_two(session: Session, settings: Settings) -> bool:
    """Whether a change must be approved by somebody who did not make it, as of now."""
    wanted = settings.approvals or ("one" if settings.is_embedded else "two")
    return wanted == "two" and len(operators.find_enabled(session, Role.APPROVER)) >= ENOUGH


def are_close(one: Operator, other: Operator, now: datetime) -> bool:
    """Whether one invited, raised or reset the other within 30 days, or they share a mailbox."""
    if one.mail and other.mail and mailbox_of(one.mail) == mailbox_of(other.mail):
        return True
    return any(
        changed.changed_by == by.name and now < changed.changed_at + CLOSE_FOR
        for changed, by in ((one, other), (other, one))
    )


def approve(
    session: Session,
    settings: Settings,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    approver: Operator,
    due_at: datetime | None = None,
) -> None:
    """Approve its counts, and let the worker apply it, now or at `due_at`.

    Raises OwnApproval, TooCloseToApprove, NotPermitted (its scope), NotNow.
    """
    alone = not needs_two(session, settings) or rolling_back.may_apply_alone(
        session, now, change, approver.id
    )
    if not alone:
        _check_other(session, now, approver, change)
    check_scope(session, approver, change)
    before = READY if alone else (ChangeState.PROPOSED,)
    _let_in(session, now, who, change, before, approver=approver, due_at=due_at)
    facts: dict[str, object] = {"counts": change.promised}
    if due_at is not None:
        facts["due_at"] = due_at.isoformat(timespec="seconds")
    changes.write(session, now, who, "approve", change, **facts)


def apply_alone(
    session: Session, settings: Settings, now: datetime, who: Actor, change: Change
) -> None:
    """Apply a checked change by command, where one person is enough. Raises ApprovalNeeded, NotNow."""
    if needs_two(session, settings):
        raise ApprovalNeeded
    _let_in(session, now, who, change, READY, approver=None)
    changes.write(session, now, who, "apply", change, counts=change.promised)


def break_glass(
    session: Session, now: datetime, who: Actor, change: Change, *, approver: Operator | None
) -> None:
    """Apply it without approval; another person reviews it within 48 hours.

    Raises WrongParameter if the reason is short, NotPermitted, NotNow.
    """
    if len(who.reason) < LEAST_WHY:
        raise WrongParameter(f"Say why, in {LEAST_WHY} characters at least.")
    if approver is not None:
        check_scope(session, approver, change)
    change.broken_glass_at, change.broken_glass_reason = now, who.reason
    change.review_until = now + REVIEW_WITHIN
    _let_in(session, now, who, change, READY, approver=approver)
    changes.write(session, now, who, "break_glass", change, counts=change.promised)


def review(
    session: Session, now: datetime, who: Actor, change: Change, *, reviewer: Operator
) -> None:
    """Record that another person read what was applied without approval, and keeps it.

    Raises OwnApproval, NotNow.
    """
    if change.broken_glass_at is None or change.reviewed_at is not None:
        raise NotNow(f"{change.label} waits for no review.")
    if reviewer.id == change.applied_by_id or reviewer.name == change.applied_by:
        raise OwnApproval
    change.reviewed_at, change.reviewed_by = now, who.name
    session.flush()
    changes.write(session, now, who, "review", change)


def check_scope(session: Session, approver: Operator, change: Change) -> None:
    """Raises NotPermitted: a line lies outside the approver's scope, or it takes scope over all."""
    scope = approver.scope
    if scope.is_all:
        return
    known = change.counts.get("known", 0)
    affected = sum(change.counts.get(name, 0) for name in AFFECTING)
    if change.lines > MANY_LINES or (known and affected > LARGE_SHARE * known):
        raise NotPermitted("This change takes an approver for the whole federation.")
    difference = changes.compare(session, change)
    touched = [*difference.ended, *difference.begun]
    if any(rule.kind is RuleKind.DEFAULT for rule in touched) or not all(
        scope.covers(homeserver=rule.homeserver, organisation=rule.organisation) for rule in touched
    ):
        raise NotPermitted("A line of this change lies outside what you look after.")
    if any(
        line.allows_public and line.act == Act.PUT for line in models.find_lines(session, change.id)
    ):
        raise NotPermitted("This change takes an approver for the whole federation.")


def _check_other(session: Session, now: datetime, approver: Operator, change: Change) -> None:
    if approver.id == change.author_id or approver.name in {change.author, change.proposed_by}:
        raise OwnApproval
    author = change.author_id and operators.find(session, change.author_id)
    if author and are_close(approver, author, now):
        raise TooCloseToApprove


def _let_in(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    before: tuple[ChangeState, ...],
    *,
    approver: Operator | None,
    due_at: datetime | None = None,
) -> None:
    """Promise its counts, and enqueue the job that applies it."""
    after = ChangeState.APPLYING if due_at is None else ChangeState.SCHEDULED
    changes.advance(
        session,
        change,
        before,
        after,
        approved_at=now,
        approved_by=who.name,
        approved_by_id=approver.id if approver else None,
        promised=change.counts,
        due_at=due_at,
        changed_at=now,
    )
    outbox.enqueue(session, JobKind.CHANGE_APPLY, change.id, now, lane=Lane.NORMAL, due_at=due_at)
