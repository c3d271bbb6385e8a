"""/admin/changes: the changes of rules, and what each does, to whom, and what was done with it."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.domain_requests import answering
from identity.homeservers import rules_held
from identity.operators.roles import Deed
from identity.rule_changes import changes as changing, possible, views
from identity.rule_changes.change_models import Change, ChangeState
from identity.rule_changes.checking import WORSE
from identity.rule_changes.possible import Somebody, Step
from identity.web.rendering import Fault
from identity.web.request_context import services

from . import things
from .frame import screen, show
from .operator_session import operator

NUMBERED: Final = "/changes/C-<int:number>"
SHOWN: Final = 20  # lines on the page of the change
SOON: Final = timedelta(minutes=10)  # for which the page follows who takes the new rules
EFFECTS: Final = ("become_agents", "change_homeserver", "become_guests")
EFFECTS_BESIDE: Final = ("lose_access", "gain_access", "invitations")
GROUPS: Final = {
    "waiting": (
        *(ChangeState.CHECKING, ChangeState.CHECKED, ChangeState.PROPOSED, ChangeState.APPROVED),
        *(ChangeState.SCHEDULED, ChangeState.APPLYING, ChangeState.STALE, ChangeState.FAILED),
        *(ChangeState.DRAFT, ChangeState.RETURNED),
    ),
    "approve": (ChangeState.PROPOSED,),
    "applied": (ChangeState.APPLIED, ChangeState.ROLLED_BACK),
    "ended": (ChangeState.ABANDONED,),
}
"""The filters of the list."""


@screen("/changes", Deed.SEE)
def changes() -> Response:
    """The changes, newest first."""
    group = request.args.get("show", "")
    with services.database.reading() as session:
        found = changing.find_changes(
            session,
            states=GROUPS.get(group, ()),
            scope=operator().scope,
            after=request.args.get("after"),
        )
        told = views.describe_page(found)
    following = told["next"] and url_for("console.changes", show=group, after=told["next"])
    return show(
        "changes", changes=told["items"], group=group, groups=list(GROUPS), following=following
    )


@screen(NUMBERED, Deed.SEE)
def change(number: int) -> Response:
    """One change: its first lines, whom it affects, and what can be done now."""
    return show_change(number)


def show_change(
    number: int, faults: Sequence[Fault] = (), *, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """The page of a change, also after a form that could not be carried out."""
    who, now = operator(), services.now()
    with services.database.reading() as session:
        found = changing.required(session, number, who.scope)
        me = Somebody(who.operator_id, who.name)
        steps = possible.find_steps(session, services.settings, now, found, me)
        values: dict[str, Any] = {
            "change": views.describe_change(session, found),
            "seen": changing.mark_of(found),
            "lines": lines_of(session, found, limit=SHOWN),
            "answered": answering.describe_answered(session, now, found),
            "is_own": possible.is_own(found, me),
            "is_waiting": possible.is_waiting(found),
            "is_stuck": possible.is_stuck(session, found),
            "taken": _taken(session, found),
        }
        is_new = found.applied_at is not None and now - found.applied_at < SOON
    return show(
        "change",
        status=status,
        faults=faults,
        steps=steps,
        step=Step,
        effects=[*EFFECTS, *EFFECTS_BESIDE],
        hurting=WORSE,
        ago=things.ago,
        is_followed=bool(is_new and values["taken"] and values["taken"]["late"]),
        **values,
    )


@screen(f"{NUMBERED}/lines", Deed.SEE)
def change_lines(number: int) -> Response:
    """All its lines, a page at a time."""
    with services.database.reading() as session:
        found = changing.required(session, number, operator().scope)
        told = views.describe_change(session, found)
        lines = lines_of(session, found, after=request.args.get("after"))
    following = lines["next"] and url_for(
        "console.change_lines", number=number, after=lines["next"]
    )
    return show("change_lines", change=told, lines=lines, following=following)


@screen(f"{NUMBERED}/effects", Deed.SEE)
def change_effects(number: int) -> Response:
    """Whom it affects, by domain."""
    wanted = request.args.get("effect") or None
    with services.database.reading() as session:
        found = changing.required(session, number, operator().scope)
        told = views.describe_change(session, found)
        effects = views.describe_effects(session, found, effect=wanted)
    return show("change_effects", change=told, effects=effects, most=views.MAX_EFFECTS)


@screen(f"{NUMBERED}/history", Deed.SEE)
def change_history(number: int) -> Response:
    """What was done with it, by whom and why."""
    with services.database.reading() as session:
        found = changing.required(session, number, operator().scope)
        told = views.describe_change(session, found)
        history = views.describe_history(session, found)
    return show("change_history", change=told, history=history)


def _taken(session: Session, found: Change) -> dict[str, Any] | None:
    """Which homeservers of this operator have the revision that it became; None before."""
    if found.revision is None:
        return None
    return rules_held.describe(
        session, found.revision, scoping.homeservers_within(operator().scope)
    )


def lines_of(session: Any, found: Change, **paging: Any) -> dict[str, Any]:
    """A page of lines; addresses in them are read by those who may edit."""
    may_read = operator().may(Deed.DRAFT)
    return views.describe_lines(session, found, shows_addresses=may_read, **paging)
