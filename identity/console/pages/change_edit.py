"""/admin/changes/new and the lines of a draft: what shall become of a domain, and for whom it is changed.

A form names the version that it was made from. If somebody was faster, the page shows what they
wrote, what was typed here, and the rule in force.
"""

from collections.abc import Sequence
from dataclasses import fields
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.rule import Rule, RuleKind
from identity.homeservers import models as homeservers
from identity.operators.roles import Deed
from identity.problems import NotForAgents, NotPermitted, StaleDraft, WrongParameter
from identity.routing import models as rules
from identity.routing.views import readable_pattern
from identity.rule_changes import change_models as models, changes, composing, views
from identity.rule_changes.change_models import EDITABLE, Act, Change, ChangeLine
from identity.rule_changes.composing import Outcome, Wanted, WrongLine
from identity.rule_changes.service import Key
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .changes import NUMBERED
from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

OFFERED: Final = 20  # drafts that a line may join
NEW: Final = ""
MAX_DIGITS: Final = 9


@screen("/changes/new", Deed.DRAFT)
def new_change() -> Response:
    """The form for a first line, filled in as the rule in force is."""
    domain = request.args.get("domain", "")[:253].rpartition("@")[2]
    outcome = request.args.get("act", "")
    wanted = Wanted(pattern=domain)
    with services.database.reading() as session:
        if domain:
            wanted = _as_in_force(session, wanted)
    if outcome in set(Outcome):
        wanted = _with_outcome(wanted, Outcome(outcome))
    return _line_page(wanted)


@form("/changes/new", Deed.DRAFT)
def make_change() -> Response:
    """Make a change of this line, or add the line to a draft, and have it counted."""
    wanted, into = _typed(), request.form.get("into", NEW)
    try:
        with services.database.transaction() as session:
            if into == NEW:
                found = _make(session, wanted, composing.compose(session, wanted))
            else:
                found = _add(session, into, wanted)
            changes.order_check(session, services.now(), actor(typed_reason()), found)
            number = found.number
    except StaleDraft:
        return _conflict(int(into.partition(":")[0]), wanted)
    except (WrongLine, NotForAgents, NotPermitted) as problem:
        return _line_page(wanted, [_fault_of(problem)])
    say("console.change.made", change=f"C-{number}")
    return go_to("change", number=number)


@screen(f"{NUMBERED}/line", Deed.DRAFT)
def edit_line(number: int) -> Response:
    """The form for one line of a draft: of this place, or for a further rule."""
    with services.database.reading() as session:
        found = changes.required(session, number, operator().scope)
        line = _line_at(session, found, request.args.get("place", ""))
        wanted = _as_line(session, line) if line else Wanted()
        version = found.version
    return _line_page(wanted, change=number, version=version, place=line.place if line else None)


@form(f"{NUMBERED}/line", Deed.DRAFT)
def save_line(number: int) -> Response:
    """Write this line into the draft, in place of the one that the form showed."""
    wanted, version, place = _typed(), _version(), request.form.get("place", "")
    try:
        with services.database.transaction() as session:
            found = changes.required(session, number, operator().scope)
            line = _line_at(session, found, place) if found.version == version else None
            if line and _key_of(line) != composing.read_key(wanted):  # its pattern was mended
                now, who = services.now(), actor(typed_reason())
                changes.drop_line(session, now, who, found, _key_of(line), version=version)
                _write(session, found, composing.compose(session, wanted, found), version + 1)
            else:
                _write(session, found, composing.compose(session, wanted, found), version)
    except StaleDraft:
        return _conflict(number, wanted)
    except (WrongLine, NotForAgents, NotPermitted) as problem:
        at, faults = _number(place) if place else None, [_fault_of(problem)]
        return _line_page(wanted, faults, change=number, version=version, place=at)
    say("console.change.line_saved")
    return go_to("change", number=number)


@form(f"{NUMBERED}/drop", Deed.DRAFT)
def drop_line(number: int) -> Response:
    """Leave the rule of this line as it is."""
    with services.database.transaction() as session:
        found = changes.required(session, number, operator().scope)
        line = _line_at(session, found, request.form.get("place", ""))
        if line is None:
            raise WrongParameter("This line is not in the change any more.")
        now, who = services.now(), actor(typed_reason())
        changes.drop_line(session, now, who, found, _key_of(line), version=_version())
    say("console.change.line_dropped")
    return go_to("change", number=number)


@form(f"{NUMBERED}/title", Deed.DRAFT)
def rename_change(number: int) -> Response:
    """Give the draft another title."""
    with services.database.transaction() as session:
        found = changes.required(session, number, operator().scope)
        title, now = request.form.get("title", ""), services.now()
        changes.rename(session, now, actor(typed_reason()), found, title, version=_version())
    return go_to("change", number=number)


def _make(session: Session, wanted: Wanted, composed: Rule | Key) -> Change:
    put, gone = ([composed], []) if isinstance(composed, Rule) else ([], [composed])
    shown = readable_pattern(*composing.read_key(wanted), masked=True) or composing.DEFAULT
    title = text(f"console.change.title.{Outcome(wanted.outcome)}", domain=shown)
    who = operator()
    return changes.make(
        session,
        services.now(),
        actor(typed_reason()),
        title=" ".join(request.form.get("title", "").split()) or str(title.unescape()),
        operator_id=who.operator_id,
        put=put,
        take_away=gone,
        scope=who.scope,
    )


def _add(session: Session, into: str, wanted: Wanted) -> Change:
    """`into`: number and version of a draft, `142:3`."""
    number, _, version = into.partition(":")
    found = changes.required(session, _number(number), operator().scope)
    _write(session, found, composing.compose(session, wanted, found), _number(version))
    return found


def _write(session: Session, found: Change, composed: Rule | Key, version: int) -> None:
    now, who, scope = services.now(), actor(typed_reason()), operator().scope
    if isinstance(composed, Rule):
        changes.put_line(session, now, who, found, composed, version=version, scope=scope)
    else:
        changes.remove_line(session, now, who, found, composed, version=version, scope=scope)


def _conflict(number: int, wanted: Wanted) -> Response:
    """What was typed here, what stands in the draft now, and the rule in force, side by side."""
    with services.database.reading() as session:
        found = changes.required(session, number, operator().scope)
        key = composing.read_key(wanted)
        line = models.find_line(session, found.id, key)
        here = next(iter(rules.find_in_force(session, [key])), None)
        theirs = views.describe_line(line, here) if line else None
        version = found.version
        try:
            mine = composing.compose(session, wanted)
        except WrongLine:
            mine = None
    return _line_page(
        wanted,
        change=number,
        version=version,
        status=HTTPStatus.CONFLICT,
        conflict={
            "yours": mine if isinstance(mine, Rule) else None,
            "theirs": theirs,
            "now": here,
            "editors": ", ".join(found.editors),
        },
    )


def _line_page(
    wanted: Wanted,
    faults: Sequence[Fault] = (),
    *,
    change: int | None = None,
    version: int | None = None,
    place: int | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    conflict: dict[str, Any] | None = None,
) -> Response:
    with services.database.reading() as session:
        servers = homeservers.find_all(session)
        scope = operator().scope
        drafts = changes.find_changes(session, states=EDITABLE, scope=scope, limit=OFFERED).items
    choices: list[tuple[str, str]] = [(NEW, text("console.change.into_new"))]
    choices += [(f"{each.number}:{each.version}", f"{each.label} {each.title}") for each in drafts]
    return show(
        "change_line",
        status=status,
        faults=faults,
        wanted=wanted,
        change_number=change,
        version=version,
        place=place,
        conflict=conflict,
        into=request.form.get("into", NEW),
        choices=choices if change is None else [],
        outcomes=[(each, text(f"console.change.outcome.{each}")) for each in Outcome],
        servers=[("", "")] + [(each.name, f"{each.name} ({each.label})") for each in servers],
    )


def _typed() -> Wanted:
    typed = {each.name: request.form.get(each.name, "").strip() for each in fields(Wanted)}
    outcome = typed["outcome"] if typed["outcome"] in set(Outcome) else Outcome.OPEN
    values: dict[str, Any] = typed | {"with_subdomains": bool(typed["with_subdomains"])}
    return Wanted(**(values | {"outcome": outcome}))


def _version() -> int:
    return _number(request.form.get("version", ""))


def _number(typed: str) -> int:
    """A number that the form carries. Raises WrongParameter."""
    if not typed.isdecimal() or not typed.isascii() or len(typed) > MAX_DIGITS:
        raise WrongParameter("The form does not name the change or its version.")
    return int(typed)


def _line_at(session: Session, found: Change, place: str) -> ChangeLine | None:
    """The line of this place; None for none."""
    if not place:
        return None
    wanted = _number(place)
    lines = models.find_lines(session, found.id, after=wanted - 1, limit=1)
    return lines[0] if lines and lines[0].place == wanted else None


def _key_of(line: ChangeLine) -> Key:
    return RuleKind(line.kind), line.pattern


def _as_line(session: Session, line: ChangeLine) -> Wanted:
    if line.act == Act.PUT:
        return composing.filled_in(models.rule_of(line))
    here = next(iter(rules.find_in_force(session, [_key_of(line)])), None)
    wanted = composing.filled_in(here) if here else Wanted(pattern=line.pattern)
    return _with_outcome(wanted, Outcome.REMOVE)


def _as_in_force(session: Session, wanted: Wanted) -> Wanted:
    """The form as the rule in force for a domain fills it in; else empty but for the domain."""
    try:
        _, domain = composing.read_key(wanted)
    except WrongLine:
        return wanted
    keys = [(RuleKind.DOMAIN, domain), (RuleKind.SUFFIX, domain)]
    here = rules.find_in_force(session, keys)
    return composing.filled_in(here[0]) if here else wanted


def _with_outcome(wanted: Wanted, outcome: Outcome) -> Wanted:
    values = {each.name: getattr(wanted, each.name) for each in fields(Wanted)}
    return Wanted(**(values | {"outcome": outcome}))


def _fault_of(problem: Exception) -> Fault:
    if isinstance(problem, WrongLine):
        return Fault(problem.field, text(f"console.change.fault.{problem.why}"))
    if isinstance(problem, NotForAgents):
        return Fault("pattern", text("console.change.fault.not_for_agents"))
    return Fault("homeserver", text("console.change.fault.scope"))
