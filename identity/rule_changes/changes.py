"""Prepares changes of rules, and moves them from a draft to the rules in force.

draft → checking → checked → proposed → approved → (scheduled) → applying → applied → rolled back;
also returned, stale, failed, abandoned. Each move is one statement that names the state before, so
that of two people who press at once one is told that the other was faster.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from domain_rules.rule import Rule, RuleKind
from identity.core import journal, outbox, rows
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.problems import BaseMoved, NoSuchChange, NotNow, StaleDraft
from identity.routing import models as rules
from identity.routing.models import StoredRule

from . import change_models as models, service
from .change_models import EDITABLE, Act, Change, ChangeEffect, ChangeLine, ChangeState, Origin
from .service import Difference, Key

MAX_TITLE: Final = 120  # characters
WAITING: Final = (
    *(ChangeState.CHECKING, ChangeState.PROPOSED, ChangeState.APPROVED, ChangeState.SCHEDULED),
)
AT_ONCE: Final = 400  # keys of one condition


def make(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    title: str,
    operator_id: uuid.UUID | None = None,
    origin: Origin = Origin.EDIT,
    put: Iterable[Rule] = (),
    take_away: Iterable[Key] = (),
    reverses: Change | None = None,
    allows_public: bool = False,
) -> Change:
    """Make a draft with these lines. `operator_id`: who makes it in the console or by a token."""
    change = Change(
        id=uuid.uuid4(),
        number=models.next_number(session),
        title=title[:MAX_TITLE],
        origin=origin,
        reverses=reverses.id if reverses else None,
        state=ChangeState.DRAFT,
        version=1,
        author=who.name,
        author_id=operator_id,
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
    _add_lines(session, change, put, take_away, allows_public=allows_public)
    write(session, now, who, "make", change, origin=origin, lines=change.lines)
    return change


def required(session: Session, number: int) -> Change:
    """The change C-`number`. Raises NoSuchChange."""
    found = models.find(session, number)
    if found is None:
        raise NoSuchChange(f"There is no change C-{number}.")
    return found


def put_line(session: Session, now: datetime, change: Change, version: int, rule: Rule) -> None:
    """Put this rule by the change, in place of what it does with the same pattern.

    Raises StaleDraft, NotNow.
    """
    _edit(session, now, change, version)
    _drop(session, change, (rule.kind, rule.pattern))
    _add_lines(session, change, [rule], ())


def remove_line(session: Session, now: datetime, change: Change, version: int, key: Key) -> None:
    """Take the rule of this key away by the change. Raises StaleDraft, NotNow."""
    _edit(session, now, change, version)
    _drop(session, change, key)
    _add_lines(session, change, (), [key])


def drop_line(session: Session, now: datetime, change: Change, version: int, key: Key) -> None:
    """Leave the rule of this key as it is. Raises StaleDraft, NotNow."""
    _edit(session, now, change, version)
    _drop(session, change, key)


def replace_lines(
    session: Session,
    now: datetime,
    change: Change,
    version: int,
    *,
    put: Iterable[Rule],
    take_away: Iterable[Key] = (),
) -> None:
    """Give the change these lines in place of all it has, as by a file.

    Raises StaleDraft, NotNow.
    """
    _edit(session, now, change, version)
    rows.delete(session, ChangeLine, ChangeLine.change_id == change.id)
    change.lines = 0
    _add_lines(session, change, put, take_away)


def compare(session: Session, change: Change) -> Difference:
    """What the change does to the newest revision. Raises UnknownHomeserver, InvalidRule."""
    found = models.find_lines(session, change.id)
    put = [models.rule_of(line) for line in found if line.act == Act.PUT]
    keys = {(line.kind, line.pattern) for line in found if line.act == Act.REMOVE}
    base = rules.current_number(session)
    gone = [rule for rule in rules.load(session, base) if (rule.kind, rule.pattern) in keys]
    difference = service.compare(session, put=put, take_away=gone)
    if difference.base != base:
        raise BaseMoved
    return difference


def find_touched(session: Session, change: Change) -> list[Key]:
    """The keys of its lines whose rules were changed since its base: then it is stale."""
    found = models.find_lines(session, change.id)
    keys = [(RuleKind(line.kind), line.pattern) for line in found]
    return find_keys_changed_after(session, keys, change.base)


def find_keys_changed_after(session: Session, keys: Sequence[Key], revision: int) -> list[Key]:
    """Those of these keys whose rules began or ended after this revision."""
    since = or_(StoredRule.since_revision > revision, StoredRule.until_revision > revision)
    touched: set[Key] = set()
    for start in range(0, len(keys), AT_ONCE):
        some = [(kind.value, pattern) for kind, pattern in keys[start : start + AT_ONCE]]
        named = tuple_(StoredRule.kind, StoredRule.pattern).in_(some)
        asked = select(StoredRule.kind, StoredRule.pattern).where(named, since).distinct()
        touched.update((RuleKind(kind), pattern) for kind, pattern in session.execute(asked))
    return sorted(touched)


def order_check(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Let the worker count whom the change affects. Raises NotNow, also for one without lines."""
    if not change.lines:
        raise NotNow(f"{change.label} has no lines.")
    before = (*EDITABLE, ChangeState.PROPOSED)
    advance(
        session, change, before, ChangeState.CHECKING, check_began_at=now, done=0, changed_at=now
    )
    outbox.enqueue(session, JobKind.CHANGE_CHECK, change.id, now, lane=Lane.BULK)
    write(session, now, who, "check", change)


def propose(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Ask another person to approve it. Raises NotNow unless its check is done."""
    advance(
        session,
        change,
        (ChangeState.CHECKED,),
        ChangeState.PROPOSED,
        proposed_at=now,
        proposed_by=who.name,
        changed_at=now,
    )
    write(session, now, who, "propose", change, counts=change.counts)


def give_back(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """Return it to its author, with the reason. Raises NotNow."""
    before = (ChangeState.PROPOSED, ChangeState.APPROVED, ChangeState.SCHEDULED)
    advance(
        session, change, before, ChangeState.RETURNED, why=who.reason, changed_at=now, due_at=None
    )
    write(session, now, who, "return", change)


def abandon(session: Session, now: datetime, who: Actor, change: Change) -> None:
    """End it without applying it. Raises NotNow while it is being applied, or afterwards."""
    before = (*EDITABLE, *WAITING)
    advance(session, change, before, ChangeState.ABANDONED, ended_at=now, changed_at=now)
    write(session, now, who, "abandon", change)


def record_progress(session: Session, change_id: uuid.UUID, *, done: int, total: int) -> None:
    """How far the worker has come with a check."""
    rows.update(session, Change, Change.id == change_id, done=done, to_check=total)


def find_effects(
    session: Session, change_id: uuid.UUID, *, effect: str | None = None, limit: int = 200
) -> Sequence[ChangeEffect]:
    """The effects by domain as of the last check, the largest first."""
    asked = select(ChangeEffect).where(ChangeEffect.change_id == change_id)
    if effect is not None:
        asked = asked.where(ChangeEffect.effect == effect)
    ordered = asked.order_by(ChangeEffect.count.desc(), ChangeEffect.effect, ChangeEffect.domain)
    return session.scalars(ordered.limit(limit)).all()


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


def _edit(session: Session, now: datetime, change: Change, version: int) -> None:
    """Begin an edit of this version; the check, and any approval, of before counts no more."""
    own = (Change.id == change.id, Change.version == version, Change.state.in_(EDITABLE))
    fresh = {
        "state": ChangeState.DRAFT,
        "version": version + 1,
        "changed_at": now,
        "base": rules.current_number(session),
        "checked_at": None,
        "counts": {},
        "promised": {},
        "why": "",
    }
    session.flush()
    done = rows.update(session, Change, *own, **fresh)
    session.refresh(change)
    if not done and change.version != version:
        raise StaleDraft(change.version)
    if not done:
        raise NotNow(f"{change.label} is {change.state.replace('_', ' ')}.")
    rows.delete(session, ChangeEffect, ChangeEffect.change_id == change.id)


def _drop(session: Session, change: Change, key: Key) -> None:
    kind, pattern = key
    line = ChangeLine
    own = (line.change_id == change.id, line.kind == kind, line.pattern == pattern)
    change.lines -= rows.delete(session, line, *own)


def _add_lines(
    session: Session,
    change: Change,
    put: Iterable[Rule],
    take_away: Iterable[Key],
    *,
    allows_public: bool = False,
) -> None:
    last = select(func.max(ChangeLine.place)).where(ChangeLine.change_id == change.id)
    made: list[dict[str, Any]] = [
        {
            "act": Act.PUT,
            "kind": rule.kind.value,
            "pattern": rule.pattern,
            "rule": models.rule_as_json(rule),
        }
        for rule in put
    ]
    made += [
        {"act": Act.REMOVE, "kind": RuleKind(kind).value, "pattern": pattern, "rule": None}
        for kind, pattern in take_away
    ]
    for place, line in enumerate(made, (session.scalar(last) or 0) + 1):
        line |= {"change_id": change.id, "place": place, "allows_public": allows_public}
    models.insert_lines(session, made)
    change.lines += len(made)
    session.flush()


def write(
    session: Session, now: datetime, who: Actor, action: str, change: Change, **facts: object
) -> None:
    """A row of the journal about a change."""
    journal.write(session, now, who, action=f"change.{action}", subject=change.label, facts=facts)
