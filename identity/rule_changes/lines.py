"""The lines of a change of rules: adds and drops them, and compares them with what is in force."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core import rows
from identity.core.paging import LIMIT, Page, find_page
from identity.operators.roles import ALL, Scope
from identity.problems import BaseMoved, NotForAgents
from identity.routing import address_lists, models as rules
from identity.routing.models import StoredRule

from . import change_models as models, scopes, service
from .change_models import Act, Change, ChangeLine
from .service import Difference, Key

AT_ONCE: Final = 400  # keys of one condition


def add(
    session: Session,
    change: Change,
    put: Sequence[Rule],
    take_away: Sequence[Key],
    *,
    allows_public: bool = False,
    scope: Scope = ALL,
) -> None:
    """Add lines behind those there are.

    Raises NotForAgents unless `allows_public`, NotPermitted for a line outside `scope`.
    """
    public = _find_public(session, put)
    if public and not allows_public:
        pattern, why = next(iter(public.items()))
        raise NotForAgents(f"{pattern or 'default'} cannot be opened to agents. {why}")
    keys: list[Key] = [(rule.kind, rule.pattern) for rule in put]
    here = rules.find(session, [*keys, *take_away], revision=rules.current_number(session))
    scopes.check_rules(session, scope, [*here, *put])
    scopes.record(session, change.id, [*here, *put])
    last = select(func.max(ChangeLine.place)).where(ChangeLine.change_id == change.id)
    made = [*map(_line_of_rule, put), *map(_line_of_removal, take_away)]
    for place, line in enumerate(made, (session.scalar(last) or 0) + 1):
        is_public = line["act"] == Act.PUT and line["pattern"] in public
        line |= {"change_id": change.id, "place": place, "allows_public": is_public}
    models.insert_lines(session, made)
    change.lines += len(made)
    session.flush()


def drop(session: Session, change: Change, key: Key) -> None:
    """Delete the line of this key, if there is one."""
    kind, pattern = key
    line = ChangeLine
    own = (line.change_id == change.id, line.kind == kind, line.pattern == pattern)
    change.lines -= rows.delete(session, line, *own)
    session.flush()


def drop_all(session: Session, change: Change) -> None:
    """Delete all lines of a change."""
    rows.delete(session, ChangeLine, ChangeLine.change_id == change.id)
    scopes.forget(session, change.id)
    change.lines = 0
    session.flush()


def compare(session: Session, change: Change) -> Difference:
    """What the change does to the newest revision. Raises UnknownHomeserver, InvalidRule."""
    found = models.find_lines(session, change.id)
    put = [models.rule_of(line) for line in found if line.act == Act.PUT]
    gone = {_key(line) for line in found if line.act == Act.REMOVE}
    return compare_lines(session, put, gone)


def compare_lines(session: Session, put: Iterable[Rule], take_away: Iterable[Key]) -> Difference:
    """What such lines do to the newest revision. Raises UnknownHomeserver, BaseMoved."""
    base = rules.current_number(session)
    gone = rules.find(session, list(take_away), revision=base)
    difference = service.compare(session, put=put, take_away=gone)
    if difference.base != base:
        raise BaseMoved
    return difference


def rules_under(session: Session, now: datetime, change: Change) -> RuleSet:
    """The rules as they would be if the change were applied now. Raises UnknownHomeserver."""
    revision = rules.current_number(session) + 1
    return RuleSet.compile(load_after(session, change), revision=revision, at=now)


def load_after(session: Session, change: Change) -> list[Rule]:
    """The rules after the change, against the newest revision. Raises UnknownHomeserver."""
    difference = compare(session, change)
    gone = service.by_key(difference.ended)
    here = service.by_key(rules.load(session, difference.base))
    return [*(rule for key, rule in here.items() if key not in gone), *difference.begun]


def find_page_of_lines(
    session: Session, change: Change, *, after: str | None = None, limit: int = LIMIT
) -> Page[ChangeLine]:
    """A page of its lines, in order. Raises WrongParameter for an `after` that is none."""
    own = select(ChangeLine).where(ChangeLine.change_id == change.id)
    return find_page(session, own, [ChangeLine.place], after=after, limit=limit, descending=False)


def find_touched(session: Session, change: Change, *, since: int | None = None) -> list[Key]:
    """The keys of its lines whose rules were changed since its base: then it is stale.

    `since`: after this revision, in place of its base. One query.
    """
    is_same = (ChangeLine.kind == StoredRule.kind) & (ChangeLine.pattern == StoredRule.pattern)
    asked = (
        select(StoredRule.kind, StoredRule.pattern)
        .join(ChangeLine, is_same)
        .where(ChangeLine.change_id == change.id)
        .where(_is_changed_after(change.base if since is None else since))
    )
    found = session.execute(asked.distinct())
    return sorted((RuleKind(kind), pattern) for kind, pattern in found)


def find_keys_changed_after(session: Session, keys: Sequence[Key], revision: int) -> list[Key]:
    """Those of these keys whose rules began or ended after this revision."""
    since = _is_changed_after(revision)
    touched: set[Key] = set()
    for start in range(0, len(keys), AT_ONCE):
        some = [(kind.value, pattern) for kind, pattern in keys[start : start + AT_ONCE]]
        named = tuple_(StoredRule.kind, StoredRule.pattern).in_(some)
        asked = select(StoredRule.kind, StoredRule.pattern).where(named, since).distinct()
        touched.update((RuleKind(kind), pattern) for kind, pattern in session.execute(asked))
    return sorted(touched)


def _is_changed_after(revision: int) -> ColumnElement[bool]:
    return or_(StoredRule.since_revision > revision, StoredRule.until_revision > revision)


def record_touches_anew(session: Session, change: Change) -> None:
    """Record which homeservers and organisations its lines touch, after a line was dropped."""
    found = models.find_lines(session, change.id)
    put = [models.rule_of(line) for line in found if line.act == Act.PUT]
    here = rules.find_in_force(session, [_key(line) for line in found])
    scopes.forget(session, change.id)
    scopes.record(session, change.id, [*here, *put])


def name_of(key: Key) -> str:
    """`domain:ac-rouen.example`, `default`."""
    kind, pattern = key
    return f"{RuleKind(kind).value}:{pattern}".removesuffix(":")


def is_open_to_agents(rule: Rule | None) -> bool:
    """Whether everybody at its domain is an agent."""
    return (
        rule is not None
        and rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}
        and rule.account_class is AccountClass.AGENT
        and rule.sibling_of is None
    )


def _find_public(session: Session, put: Sequence[Rule]) -> dict[str, str]:
    """Domains that these rules open to agents though anybody can have an address there, and why.

    The default rule is one of them: it has the empty pattern.
    What is open in this way already may stay so.
    """
    why_not = address_lists.why_never_agent(session)
    named = {rule.pattern: rule for rule in put if is_open_to_agents(rule)}
    public = {pattern: why for pattern in named if (why := why_not(pattern))}
    keys: list[Key] = [(named[pattern].kind, pattern) for pattern in public]
    if any(map(_is_default_of_agents, put)):
        public[""] = "It would make everybody an agent."
        keys.append((RuleKind.DEFAULT, ""))
    for rule in rules.find_in_force(session, keys):
        if is_open_to_agents(rule) or _is_default_of_agents(rule):
            del public[rule.pattern]
    return public


def _is_default_of_agents(rule: Rule) -> bool:
    return rule.kind is RuleKind.DEFAULT and rule.account_class is AccountClass.AGENT


def _line_of_rule(rule: Rule) -> dict[str, Any]:
    return {
        "act": Act.PUT,
        "kind": rule.kind.value,
        "pattern": rule.pattern,
        "rule": models.rule_as_json(rule),
    }


def _line_of_removal(key: Key) -> dict[str, Any]:
    kind, pattern = key
    return {"act": Act.REMOVE, "kind": RuleKind(kind).value, "pattern": pattern, "rule": None}


def _key(line: ChangeLine) -> Key:
    return RuleKind(line.kind), line.pattern
