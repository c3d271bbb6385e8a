"""Prepares changes of rules, and moves them from a draft to the rules in force.

draft → checking → checked → proposed → approved → (scheduled) → applying → applied → rolled back;
also returned, stale, failed, abandoned. Each move is one statement that names the state before, so
that of two people who press at once one is told that the other was faster.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from identity.core import journal, outbox, rows
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.core.paging import LIMIT, Page, find_page
from identity.core.personal_data import mask_names
from identity.operators.roles import ALL, Scope
from identity.problems import NoSuchChange, NotNow, StaleDraft, WrongParameter
from identity.routing import models as rules

from . import change_models as models, lines, scopes, targets
from .change_models import EDITABLE, Change, ChangeEffect, ChangeState, Origin
from .service import Key

MAX_TITLE: Final = 120  # characters
NO_GLASS: Final[dict[str, object]] = {
    "broken_glass_at": None,
    "broken_glass_reason": "",
    "review_until": None,
}
"""Of a change that was to be applied without approval, and is not."""
BEFORE_IT_APPLIES: Final = (ChangeState.PROPOSED, ChangeState.APPROVED, ChangeState.SCHEDULED)
WAITING: Final = (ChangeState.CHECKING, *BEFORE_IT_APPLIES)
WERE_IN_FORCE: Final = (ChangeState.APPLIED, ChangeState.ROLLED_BACK)


def make(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    title: str,
    operator_id: uuid.UUID | None = None,
    origin: Origin = Origin.EDIT,
    put: Sequence[Rule] = (),
    take_away: Sequence[Key] = (),
    reverses: Change | None = None,
    allows_public: bool = False,
    scope: Scope = ALL,
) -> Change:
    """Make a draft with these lines. `operator_id`: who makes it in the console or by a token.

    `allows_public`: also rules that open free mail services and the like to agents; such a line
    takes an approver of the whole federation. Raises NotForAgents without it, NotPermitted if a
    line lies outside `scope`, WrongParameter for a title without letters.
    """
    change = Change(
        id=uuid.uuid4(),
        number=_next_number(session),
        title=read_title(title),
        origin=origin,
        reverses=reverses.id if reverses else None,
        state=ChangeState.DRAFT,
        version=1,
        author=who.name,
        author_id=operator_id,
        editors=[],
        created_at=now,
        changed_at=now,
        base=rules.current_number(session),
        lines=0,
        counts={},
        promised={},
        reason=who.reason,
        why="",
        broken_glass_reason="",
    )
    session.add(change)
    session.flush()
    lines.add(session, change, put, take_away, allows_public=allows_public, scope=scope)
    write(session, now, who, "make", change, origin=origin, lines=change.lines)
    return change


def read_title(text: str) -> str:
    """The title of a change as it is stored, on one line. Raises WrongParameter without letters."""
    title = mask_names(" ".join(text.split()))
    if not title or not title.isprintable():
        raise WrongParameter("A change has a title, on one line.", field="title")
    return title[:MAX_TITLE]


def required(session: Session, number: int, scope: Scope = ALL) -> Change:
    """The change C-`number`. Raises NoSuchChange, also for one that lies outside `scope`."""
    found = models.find(session, number)
    if found is None or not scopes.covers(session, scope, found):
        raise NoSuchChange(f"There is no change C-{number}.")
    return found


def find_changes(
    session: Session,
    *,
    states: Sequence[ChangeState] = (),
    scope: Scope = ALL,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[Change]:
    """A page of the changes in these states (default: all) within a scope, the newest first.

    Raises WrongParameter for an `after` that is none.
    """
    query = _within(scope)
    if states:
        query = query.where(Change.state.in_(states))
    return find_page(session, query, [Change.number], after=after, limit=limit)


def is_review_due() -> tuple[ColumnElement[bool], ...]:
    """SQL conditions of what came into force without approval and that nobody has reviewed yet."""
    was_in_force = Change.state.in_(WERE_IN_FORCE)
    return Change.broken_glass_at.is_not(None), Change.reviewed_at.is_(None), was_in_force


def find_unreviewed(session: Session, scope: Scope = ALL, *, limit: int = LIMIT) -> list[Change]:
    """Those that came into force without approval and that nobody has reviewed, oldest first."""
    query = _within(scope).where(*is_review_due())
    return list(session.scalars(query.order_by(Change.number).limit(limit)))


def rename(
    session: Session, now: datetime, who: Actor, change: Change, title: str, *, version: int
) -> None:
    """Give a draft another title, in which addresses are masked. Raises StaleDraft, NotNow, WrongParameter."""
    title = read_title(title)
    _edit(session, now, who, change, version)
    change.title = title
    write(session, now, who, "rename", change)


def put_line(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    rule: Rule,
    *,
    version: int,
    allows_public: bool = False,
    scope: Scope = ALL,
) -> None:
    """Put this rule by the change, in place of what it does with the same pattern.

    Raises StaleDraft, NotNow, NotForAgents, NotPermitted.
    """
    _edit(session, now, who, change, version)
    lines.drop(session, change, (rule.kind, rule.pattern))
    lines.add(session, change, [rule], (), allows_public=allows_public, scope=scope)
    write(session, now, who, "edit", change, put=rule.name)


def remove_line(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    key: Key,
    *,
    version: int,
    scope: Scope = ALL,
) -> None:
    """Take the rule of this key away by the change.

    Raises StaleDraft, NotNow, NotPermitted, and WrongParameter if no such rule is in force.
    """
    if not rules.find_in_force(session, [key]):
        raise WrongParameter(f"There is no rule {lines.name_of(key)}.", field="remove")
    _edit(session, now, who, change, version)
    lines.drop(session, change, key)
    lines.add(session, change, (), [key], scope=scope)
    write(session, now, who, "edit", change, remove=lines.name_of(key))


def drop_line(
    session: Session, now: datetime, who: Actor, change: Change, key: Key, *, version: int
) -> None:
    """Leave the rule of this key as it is. Raises StaleDraft, NotNow."""
    _edit(session, now, who, change, version)
    lines.drop(session, change, key)
    lines.record_touches_anew(session, change)
    write(session, now, who, "edit", change, drop=lines.name_of(key))


def replace_lines(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    version: int,
    put: Sequence[Rule],
    take_away: Sequence[Key] = (),
    allows_public: bool = False,
    scope: Scope = ALL,
) -> None:
    """Give the change these lines in place of all it has, as by a file.

    Raises StaleDraft, NotNow, NotForAgents, NotPermitted.
    """
    _edit(session, now, who, change, version)
    lines.drop_all(session, change)
    lines.add(session, change, put, take_away, allows_public=allows_public, scope=scope)
    write(session, now, who, "import", change, lines=change.lines)


def order_check(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Let the worker count whom the change affects. Raises NotNow, also for one without lines.

    A check that the worker gave up can be ordered again. Of one that is stale the rules in force
    now are the base: whoever orders it was told which of its lines others have changed.
    """
    if not change.lines:
        raise NotNow(f"{change.label} has no lines.")
    before: Sequence[ChangeState] = (*EDITABLE, ChangeState.PROPOSED)
    if is_given_up(session, change, JobKind.CHANGE_CHECK):
        before = (*before, ChangeState.CHECKING)
    fresh: dict[str, object] = {
        "check_began_at": now,
        "done": 0,
        "to_check": 0,
        "changed_at": now,
        "why": "",
        "why_code": "",
    }
    lock(session, change)
    if change.state == ChangeState.STALE:
        fresh["base"] = rules.current_number(session)
    advance(session, change, before, ChangeState.CHECKING, **fresh)
    outbox.enqueue(session, JobKind.CHANGE_CHECK, change.id, now, lane=Lane.BULK)
    write(session, now, who, "check", change)


def propose(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Ask another person to approve it.

    Raises NotNow unless its check is done, TargetNotReady if people would come to a homeserver that
    takes none now.
    """
    targets.check_ready(session, now, change)
    proposed = {"proposed_at": now, "proposed_by": who.name, "changed_at": now}
    advance(session, change, (ChangeState.CHECKED,), ChangeState.PROPOSED, **proposed)
    write(session, now, who, "propose", change, counts=numbers_of(change.counts))


def give_back(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Return it to its author, with the reason; also withdraw it. Raises NotNow.

    While the worker applies it, it cannot be returned, unless the worker gave that up.
    """
    before: Sequence[ChangeState] = BEFORE_IT_APPLIES
    if is_given_up(session, change, JobKind.CHANGE_APPLY):
        before = (*before, ChangeState.APPLYING)
    returned = {"why": who.reason, "why_code": "", "changed_at": now, "due_at": None, **NO_GLASS}
    advance(session, change, before, ChangeState.RETURNED, **returned)
    write(session, now, who, "return", change)


def abandon(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """End it without applying it. Raises NotNow while it is being applied, or afterwards."""
    before: Sequence[ChangeState] = (*EDITABLE, *WAITING)
    if is_given_up(session, change, JobKind.CHANGE_APPLY):
        before = (*before, ChangeState.APPLYING)
    ended = {"ended_at": now, "changed_at": now, "due_at": None, **NO_GLASS}
    advance(session, change, before, ChangeState.ABANDONED, **ended)
    write(session, now, who, "abandon", change)


def is_given_up(session: Session, change: Change, kind: JobKind) -> bool:
    """Whether the worker will not try its job of this kind again."""
    return outbox.is_given_up(session, change.id, kind)


def lock(session: Session, change: Change) -> None:
    """Read it again and keep others from moving it until the transaction ends.

    So what is asked of it, as who edited it and whom it affects, is so when it is moved.
    """
    session.flush()
    session.refresh(change, with_for_update=True)


def mark_of(change: Change) -> str:
    """What a form names that was made from it: another edit or another check has another mark."""
    return f"{change.version} {change.checked_at.isoformat() if change.checked_at else ''}".strip()


def move(
    session: Session,
    change: Change,
    before: Sequence[ChangeState],
    after: ChangeState,
    **values: object,
) -> bool:
    """Move it on if it stands there. False if somebody was faster, or it stands elsewhere."""
    own = (Change.id == change.id, Change.state.in_(before))
    moved = rows.update(session, Change, *own, state=after, **values) > 0
    session.refresh(change)
    return moved


def advance(
    session: Session,
    change: Change,
    before: Sequence[ChangeState],
    after: ChangeState,
    **values: object,
) -> None:
    """Move it on. Raises NotNow if it does not stand there (any more)."""
    session.flush()
    if not move(session, change, before, after, **values):
        raise NotNow(f"{change.label} is {change.state.replace('_', ' ')}.")


def numbers_of(counts: dict[str, Any]) -> dict[str, int]:
    """The numbers of a check, for the journal."""
    return {name: value for name, value in counts.items() if type(value) is int}


def write(
    session: Session, now: datetime, who: Actor, action: str, change: Change, **facts: object
) -> None:
    """A row of the journal about a change."""
    journal.write(session, now, who, action=f"change.{action}", subject=change.label, facts=facts)


def _edit(session: Session, now: datetime, who: Actor, change: Change, version: int) -> None:
    """Begin an edit of this version; the check, and any approval, of before counts no more."""
    own = (Change.id == change.id, Change.version == version, Change.state.in_(EDITABLE))
    fresh: dict[str, object] = {
        "state": ChangeState.DRAFT,
        "version": version + 1,
        "editors": sorted({*change.editors, who.name}),
        "changed_at": now,
        "base": _base_for_edit(session, change),
        "checked_at": None,
        "counts": {},
        "promised": {},
        "why": "",
        "why_code": "",
        **dict.fromkeys(("proposed_at", "proposed_by"), None),
        **dict.fromkeys(("approved_at", "approved_by", "approved_by_id"), None),
    }
    session.flush()
    done = rows.update(session, Change, *own, **fresh)
    session.refresh(change)
    if not done and change.version != version:
        raise StaleDraft(change.version)
    if not done:
        raise NotNow(f"{change.label} is {change.state.replace('_', ' ')}.")
    rows.delete(session, ChangeEffect, ChangeEffect.change_id == change.id)


def _base_for_edit(session: Session, change: Change) -> int:
    """The rules in force now, unless others changed some of its lines and its editors were not told.

    Then the next check says so.
    """
    now = rules.current_number(session)
    if now == change.base or change.state == ChangeState.STALE:
        return now
    return change.base if lines.find_touched(session, change) else now


def _within(scope: Scope) -> Select[Change]:
    return select(Change).where(scopes.is_within(scope))


def _next_number(session: Session) -> int:
    """The number for a new change. One transaction at a time takes one."""
    if session.get_bind().dialect.name == "postgresql":
        key = cast(func.hashtext("changes: number"), BigInteger)
        session.execute(select(func.pg_advisory_xact_lock(key)))
    return (session.scalar(select(func.max(Change.number))) or 0) + 1
