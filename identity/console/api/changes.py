"""`/changes`: changes of rules are prepared, checked and proposed here; a person lets them in.

Whatever changes a draft says in If-Match which version of it is meant.
"""

from typing import Any, Final

from pydantic import Field
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.domain_requests import answering
from identity.homeservers import rules_held
from identity.operators.kept_answers import Answer
from identity.operators.reasons import is_reason
from identity.operators.roles import Deed
from identity.problems import ReasonNeeded, StaleDraft
from identity.rule_changes import changes, views
from identity.rule_changes.change_models import Change, ChangeState
from identity.web import parameters
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading
from .rule_bodies import Key, RuleBody, read_keys, read_rules

MOST: Final = 1_000  # lines of one body; a file has more
PAGE: Final = "/admin/changes/C-{number}"


class NewChange(frame.Said):
    """The body of POST /changes."""

    title: Text = Field(min_length=1, max_length=changes.MAX_TITLE)
    put: list[RuleBody] = Field(default=[], max_length=MOST)
    remove: list[Key] = Field(default=[], max_length=MOST)


class Lines(frame.Said):
    """The body of PUT /changes/N/lines: what the change is to do, in place of all before."""

    put: list[RuleBody] = Field(default=[], max_length=MOST)
    remove: list[Key] = Field(default=[], max_length=MOST)


class Edit(frame.Said):
    """The body of PATCH /changes/N/lines. `leave`: patterns that the change is to leave as they are."""

    put: list[RuleBody] = Field(default=[], max_length=MOST)
    remove: list[Key] = Field(default=[], max_length=MOST)
    leave: list[Key] = Field(default=[], max_length=MOST)


class Title(frame.Said):
    """The body of PATCH /changes/N."""

    title: Text = Field(min_length=1, max_length=changes.MAX_TITLE)


@frame.reads("/changes", Deed.SEE, "state", *frame.PAGED)
def list_changes(session: Session) -> dict[str, Any]:
    """The changes, newest first, of one state if one is named."""
    (state,) = parameters.optional("state")
    reading.one_of("state", state, ChangeState)
    states = [ChangeState(state)] if state else []
    scope = guards.program().scope
    page = changes.find_changes(session, states=states, scope=scope, **frame.asked_page())
    return views.describe_page(page)


@frame.writes("/changes", Deed.DRAFT, NewChange)
def make_change(session: Session, given: NewChange) -> Answer:
    """Make a draft with these lines."""
    caller = guards.program()
    change = changes.make(
        session,
        services.now(),
        guards.actor(given.reason),
        title=given.title,
        operator_id=caller.operator_id,
        put=read_rules(session, given.put),
        take_away=read_keys(given.remove),
        scope=caller.scope,
    )
    return frame.created(_told(session, change), _path(change), version=change.version)


@frame.reads("/changes/<int:number>", Deed.SEE)
def show_change(session: Session, number: int) -> Answer:
    """One change without its lines; the ETag is the version of the draft."""
    change = _find(session, number)
    return frame.done(_told(session, change), version=change.version)


@frame.writes("/changes/<int:number>", Deed.DRAFT, Title, method="PATCH")
def rename_change(session: Session, given: Title, number: int) -> Answer:
    """Give a draft another title."""
    change, version = _find(session, number), frame.expected_version()
    who = guards.actor(given.reason)
    changes.rename(session, services.now(), who, change, given.title, version=version)
    return _answer(session, change)


@frame.reads("/changes/<int:number>/lines", Deed.SEE, *frame.PAGED)
def list_lines(session: Session, number: int) -> dict[str, Any]:
    """What it does, each line beside the rule in force."""
    change, shown = _find(session, number), guards.sees_addresses()
    return views.describe_lines(session, change, shows_addresses=shown, **frame.asked_page())


@frame.writes("/changes/<int:number>/lines", Deed.DRAFT, Lines, method="PUT")
def replace_lines(session: Session, given: Lines, number: int) -> Answer:
    """Give a draft these lines in place of all it has."""
    change, version = _find(session, number), frame.expected_version()
    changes.replace_lines(
        session,
        services.now(),
        guards.actor(given.reason),
        change,
        version=version,
        put=read_rules(session, given.put),
        take_away=read_keys(given.remove),
        scope=guards.program().scope,
    )
    return _answer(session, change)


@frame.writes("/changes/<int:number>/lines", Deed.DRAFT, Edit, method="PATCH")
def edit_lines(session: Session, given: Edit, number: int) -> Answer:
    """Add lines to a draft, in place of what it did with the same patterns; or drop some."""
    change, version = _find(session, number), frame.expected_version()
    now, who, scope = services.now(), guards.actor(given.reason), guards.program().scope
    _check_version(session, change, version)
    for rule in read_rules(session, given.put):
        at = change.version
        changes.put_line(session, now, who, change, rule, version=at, scope=scope)
    for key in read_keys(given.remove):
        at = change.version
        changes.remove_line(session, now, who, change, key, version=at, scope=scope)
    for key in read_keys(given.leave):
        changes.drop_line(session, now, who, change, key, version=change.version)
    return _answer(session, change)


@frame.writes("/changes/<int:number>/check", Deed.DRAFT, frame.Said)
def order_check(session: Session, given: frame.Said, number: int) -> Answer:
    """Let the worker count whom it affects."""
    change = _find_at_version(session, number)
    changes.order_check(session, services.now(), guards.actor(given.reason), change)
    return frame.under_way(
        _check(session, change), f"{_path(change)}/check", version=change.version
    )


@frame.reads("/changes/<int:number>/check", Deed.SEE)
def show_check(session: Session, number: int) -> Answer:
    """How far the count has come, and what it found, by domain; never an address."""
    change = _find(session, number)
    return frame.done(_check(session, change), version=change.version)


@frame.reads("/changes/<int:number>/history", Deed.SEE)
def list_history(session: Session, number: int) -> dict[str, Any]:
    """What was done with it, the newest first."""
    return {"items": views.describe_history(session, _find(session, number)), "next": None}


@frame.writes("/changes/<int:number>/propose", Deed.PROPOSE, frame.Said)
def propose_change(session: Session, given: frame.Said, number: int) -> Answer:
    """Ask another person to approve it."""
    change = _find_at_version(session, number)
    changes.propose(session, services.now(), guards.actor(given.reason), change)
    return _answer(session, change)


@frame.writes("/changes/<int:number>/return", Deed.PROPOSE, frame.Said)
def return_change(session: Session, given: frame.Said, number: int) -> Answer:
    """Take a proposal back, or give it back to its author, and say why."""
    change, who = _find_at_version(session, number), guards.actor(given.reason)
    if not is_reason(given.reason):
        raise ReasonNeeded
    changes.give_back(session, services.now(), who, change)
    return _answer(session, change)


@frame.writes("/changes/<int:number>/abandon", Deed.DRAFT, frame.Said)
def abandon_change(session: Session, given: frame.Said, number: int) -> Answer:
    """End it without applying it."""
    change = _find_at_version(session, number)
    changes.abandon(session, services.now(), guards.actor(given.reason), change)
    return _answer(session, change)


frame.in_console("/changes/<int:number>/approve", "approve_change", Deed.APPROVE, PAGE)
frame.in_console("/changes/<int:number>/break-glass", "break_glass", Deed.BREAK_GLASS, PAGE)
frame.in_console("/changes/<int:number>/review", "review_change", Deed.APPROVE, PAGE)
frame.in_console("/changes/<int:number>/schedule", "schedule_change", Deed.APPLY, PAGE)
frame.in_console("/changes/<int:number>/apply", "apply_change", Deed.APPLY, PAGE)
frame.in_console("/changes/<int:number>/rollback", "roll_change_back", Deed.ROLL_BACK, PAGE)


def _find(session: Session, number: int) -> Change:
    """The change, if it lies within the token's scope. Raises NoSuchChange."""
    return changes.required(session, number, guards.program().scope)


def _find_at_version(session: Session, number: int) -> Change:
    """The change, locked, if it is the version that the call names. Raises StaleDraft."""
    change = _find(session, number)
    _check_version(session, change, frame.expected_version())
    return change


def _check_version(session: Session, change: Change, version: int) -> None:
    session.refresh(change, with_for_update=True)
    if change.version != version:
        raise StaleDraft(change.version)


def _answer(session: Session, change: Change) -> Answer:
    return frame.done(_told(session, change), version=change.version)


def _told(session: Session, change: Change) -> dict[str, Any]:
    answered = answering.describe_answered(session, services.now(), change)
    taken = None
    if change.revision is not None:
        within = scoping.homeservers_within(guards.program().scope)
        taken = rules_held.describe(session, change.revision, within)
    return views.describe_change(session, change) | {"answers": answered, "taken": taken}


def _check(session: Session, change: Change) -> dict[str, Any]:
    shown = views.describe_change(session, change)["check"]
    effects = views.describe_effects(session, change)
    return {"state": change.state, **shown, "effects": effects}


def _path(change: Change) -> str:
    return f"/changes/{change.number}"
