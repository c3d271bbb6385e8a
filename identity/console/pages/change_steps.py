"""The steps of a change: count, propose, approve, schedule, return, apply without approval, roll back."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind
from identity.core.journal import Actor
from identity.operators import models as operators
from identity.operators.models import Operator
from identity.operators.roles import Deed
from identity.problems import (
    NoSuchOperator,
    NotNow,
    NotPermitted,
    OwnApproval,
    Problem,
    StaleDraft,
    TargetNotReady,
    TooCloseToApprove,
    WrongParameter,
)
from identity.routing.views import readable_pattern
from identity.rule_changes import approvals, changes, rolling_back, views
from identity.rule_changes.change_models import Change
from identity.rule_changes.service import Key
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .changes import NUMBERED, show_change
from .frame import REASON, form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

AT_FORM: Final = "%Y-%m-%dT%H:%M"  # of a field for a day and a time
MAX_REASON: Final = 500
SEEN: Final = "seen"  # the field with the mark of the change that the form was made from

Step = Callable[[Session, datetime, Actor, Change], None]


@form(f"{NUMBERED}/check", Deed.DRAFT)
def check_change(number: int) -> Response:
    """Have it counted, also once more."""
    return _take(number, changes.order_check, "console.change.said.check")


@form(f"{NUMBERED}/propose", Deed.PROPOSE)
def propose_change(number: int) -> Response:
    """Ask another person to approve it."""
    return _take(number, changes.propose, "console.change.said.propose")


@form(f"{NUMBERED}/return", Deed.PROPOSE)
def return_change(number: int) -> Response:
    """Give it back to its author, or take it back, and say why."""
    if not typed_reason():
        return show_change(number, [Fault(REASON, text("console.reason.short"))])
    return _take(number, changes.give_back, "console.change.said.return")


@form(f"{NUMBERED}/abandon", Deed.DRAFT)
def abandon_change(number: int) -> Response:
    """End it; nothing comes into force."""
    return _take(number, changes.abandon, "console.change.said.abandon")


@form(f"{NUMBERED}/approve", Deed.APPROVE)
def approve_change(number: int) -> Response:
    """Approve its counts. It is applied at once, or at the moment that was typed."""
    try:
        due_at = _moment()
    except ValueError:
        return show_change(number, [Fault("due_at", text("console.change.fault.due_at"))])
    typed = request.form.get("typed", "")

    def approve(session: Session, now: datetime, who: Actor, change: Change) -> None:
        approvals.approve(
            session,
            services.settings,
            now,
            who,
            change,
            approver=_me(session),
            typed=typed,
            due_at=due_at,
        )

    said = "console.change.said.schedule" if due_at else "console.change.said.approve"
    return _take(number, approve, said, as_seen=True)


@form(f"{NUMBERED}/apply", Deed.APPLY)
def apply_change(number: int) -> Response:
    """Apply what was approved: now, or at another moment."""
    try:
        due_at = _moment()
    except ValueError:
        return show_change(number, [Fault("due_at", text("console.change.fault.due_at"))])

    def apply(session: Session, now: datetime, who: Actor, change: Change) -> None:
        approvals.apply_approved(session, now, who, change, due_at=due_at)

    said = "console.change.said.schedule" if due_at else "console.change.said.approve"
    return _take(number, apply, said, as_seen=True)


@form(f"{NUMBERED}/review", Deed.APPROVE)
def review_change(number: int) -> Response:
    """Keep what was applied without approval."""

    def review(session: Session, now: datetime, who: Actor, change: Change) -> None:
        approvals.review(session, now, who, change, reviewer=_me(session))

    return _take(number, review, "console.change.said.review")


@screen(f"{NUMBERED}/break-glass", Deed.BREAK_GLASS)
def break_glass_page(number: int) -> Response:
    """What applying without approval means, and why it is done."""
    return _glass_page(number)


@form(f"{NUMBERED}/break-glass", Deed.BREAK_GLASS)
def break_glass(number: int) -> Response:
    """Apply it without approval; every approver is told."""
    if len(typed_reason()) < approvals.LEAST_WHY:
        fault = Fault(REASON, text("console.change.fault.why", least=approvals.LEAST_WHY))
        return _glass_page(number, fault)

    def apply(session: Session, now: datetime, who: Actor, change: Change) -> None:
        typed = request.form.get("typed", "")
        approvals.break_glass(session, now, who, change, approver=_me(session), typed=typed)

    return _take(number, apply, "console.change.said.break_glass", as_seen=True)


@screen(f"{NUMBERED}/roll-back", Deed.ROLL_BACK)
def roll_back_page(number: int) -> Response:
    """What would be reversed, and what others changed since."""
    with services.database.reading() as session:
        found = changes.required(session, number, operator().scope)
        told = views.describe_change(session, found)
        try:
            reversal = rolling_back.find_reversal(session, found)
        except NotNow:
            return show_change(number, [_moved(told)], status=HTTPStatus.CONFLICT)
    touched = [
        (f"{kind.value}:{pattern}", _readable((kind, pattern)))
        for kind, pattern in reversal.touched
    ]
    count = len(reversal.put) + len(reversal.take_away)
    return show("change_roll_back", change=told, touched=touched, rules=count)


@form(f"{NUMBERED}/roll-back", Deed.ROLL_BACK)
def roll_back(number: int) -> Response:
    """Make the change that reverses it, and have it counted."""
    also = [_key(each) for each in request.form.getlist("also")]
    with services.database.transaction() as session:
        found = changes.required(session, number, operator().scope)
        now, who = services.now(), actor(typed_reason())
        made = rolling_back.make_reversal(
            session,
            now,
            who,
            found,
            operator_id=operator().operator_id,
            also=also,
            scope=operator().scope,
        )
        changes.order_check(session, now, who, made)
        reversal = made.number
    say("console.change.said.roll_back", change=f"C-{reversal}")
    return go_to("change", number=reversal)


def _take(number: int, step: Step, said: str, *, as_seen: bool = False) -> Response:
    """Take a step in a transaction, and tell what follows; or show the page and why not.

    `as_seen`: only if nobody has edited or counted it since the form was shown.
    """
    try:
        with services.database.transaction() as session:
            found = changes.required(session, number, operator().scope)
            changes.lock(session, found)
            seen = changes.mark_of(found)
            step(session, services.now(), actor(typed_reason()[:MAX_REASON]), found)
            if as_seen:
                _check_seen(found.version, seen)
    except StaleDraft:
        fault = Fault("state", text("console.change.fault.seen"))
        return show_change(number, [fault], status=HTTPStatus.CONFLICT)
    except (OwnApproval, TooCloseToApprove, NotPermitted, TargetNotReady, WrongParameter) as why:
        return show_change(number, [_fault_of(why)])
    except NotNow:
        with services.database.reading() as session:
            found = changes.required(session, number, operator().scope)
            told = views.describe_change(session, found)
        return show_change(number, [_moved(told)], status=HTTPStatus.CONFLICT)
    say(said, change=f"C-{number}")
    return go_to("change", number=number)


def _check_seen(version: int, seen: str) -> None:
    """Raises StaleDraft unless the form was made from the change as it is."""
    if request.form.get(SEEN) != seen:
        raise StaleDraft(version)


def _moved(told: dict[str, object]) -> Fault:
    """Somebody was faster: the state in which it is now."""
    state = text(f"console.change.state.{told['state']}")
    return Fault("state", text("console.change.fault.moved", state=state))


def _fault_of(problem: Problem) -> Fault:
    field = "due_at" if "scheduled" in str(problem) else "typed"
    texts = {
        OwnApproval: "console.change.fault.own",
        TooCloseToApprove: "console.change.fault.close",
        NotPermitted: "console.change.fault.scope",
        TargetNotReady: "console.change.fault.target",
        WrongParameter: f"console.change.fault.{field}",
    }
    return Fault(
        field if isinstance(problem, WrongParameter) else "state", text(texts[type(problem)])
    )


def _glass_page(number: int, fault: Fault | None = None) -> Response:
    with services.database.reading() as session:
        found = changes.required(session, number, operator().scope)
        told, seen = views.describe_change(session, found), changes.mark_of(found)
    return show(
        "change_break_glass",
        change=told,
        seen=seen,
        least=approvals.LEAST_WHY,
        faults=[fault] if fault else (),
    )


def _me(session: Session) -> Operator:
    found = operators.find(session, operator().operator_id)
    if found is None:
        raise NoSuchOperator
    return found


def _moment() -> datetime | None:
    """The moment that was typed, in the time zone of people; None: at once.

    Raises ValueError, also for an hour that the clocks leave out.
    """
    typed = request.form.get("due_at", "").strip()
    if not typed:
        return None
    zone: ZoneInfo = services.settings.time_zone
    found = datetime.strptime(typed, AT_FORM).replace(tzinfo=zone)
    try:
        there_is = found.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    except OverflowError as far:
        raise ValueError from far
    if there_is != found.replace(tzinfo=None):
        raise ValueError
    return found


def _key(typed: str) -> Key:
    kind, _, pattern = typed.partition(":")
    try:
        return RuleKind(kind), pattern
    except ValueError:
        raise WrongParameter from None


def _readable(key: Key) -> str:
    kind, pattern = key
    if kind is RuleKind.DEFAULT:
        return text("console.rules.kind.default")
    return readable_pattern(kind, pattern)
