"""Rules as JSON on their way from Guichet to its module in Synapse.

A rule is written with named fields, without those that have their usual value. The reader ignores
unknown fields; a rule that it cannot read is skipped and reported, never the whole revision.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain_rules.rule import AccountClass, Rule, RuleKind, order_signs
from domain_rules.rules import ConflictingRules, RuleSet

VERSION = 2
CLASSES = {each.value: each for each in AccountClass}


class UnreadableRules(ValueError):
    """The answer is not one that Guichet sends."""


@dataclass(frozen=True)
class ReceivedRules:
    """The rules that could be read: all of them, and those in force compiled for a moment.

    `skipped`: a sentence for each rule that could not be read.
    """

    every: tuple[Rule, ...]
    in_force: RuleSet
    skipped: tuple[str, ...]


def write_rule(rule: Rule, *, protected: str | None = None) -> dict[str, Any]:
    """A rule as it is sent.

    `protected`: the name of the homeserver that receives it; addresses that are protected there are
    written as its own.
    """
    homeserver = (
        protected if protected and rule.protected_homeserver == protected else rule.homeserver
    )
    facts = {
        "kind": rule.kind.value,
        "pattern": rule.pattern,
        "class": rule.account_class.value,
        "homeserver": homeserver,
        "requires_invite": rule.requires_invite,
        "organisation": rule.organisation,
        "valid_from": _written_moment(rule.valid_from),
        "valid_until": _written_moment(rule.valid_until),
        "extra_signs": rule.extra_signs,
    }
    return {name: value for name, value in facts.items() if value}


def read_rules(answer: Mapping[str, Any], *, revision: int, at: datetime) -> ReceivedRules:
    """The `rules` of an answer.

    Raises UnreadableRules if they are not a list, or if none of them can be read.
    """
    entries = answer.get("rules")
    if not isinstance(entries, list):
        raise UnreadableRules("rules is no list")
    skipped: list[str] = []
    numbered = enumerate(entries)
    found = [rule for place, facts in numbered if (rule := _try_to_read(facts, place, skipped))]
    if entries and not found:
        raise UnreadableRules(f"no rule can be read, the first is {skipped[0]}")
    compiled = _compiled_or_conflict(found, revision, at)
    while isinstance(compiled, ConflictingRules):
        wider = _wider(compiled)
        found = [rule for rule in found if rule is not wider]
        skipped.append(f"{wider.name}: there are two")
        compiled = _compiled_or_conflict(found, revision, at)
    return ReceivedRules(tuple(found), compiled, tuple(skipped))


def _compiled_or_conflict(
    rules: list[Rule], revision: int, at: datetime
) -> RuleSet | ConflictingRules:
    try:
        return RuleSet.compile(rules, revision=revision, at=at)
    except ConflictingRules as conflict:
        return conflict


def _wider(conflict: ConflictingRules) -> Rule:
    """Of two conflicting rules the one for agents: without it, less is allowed."""
    is_agents = conflict.first.account_class is AccountClass.AGENT
    return conflict.first if is_agents else conflict.second


def _try_to_read(facts: Any, place: int, skipped: list[str]) -> Rule | None:
    try:
        return _read(facts, skipped)
    except (TypeError, ValueError) as fault:
        skipped.append(f"{_name(facts, place)}: {fault}")
        return None


def _read(facts: Any, skipped: list[str]) -> Rule:
    if not isinstance(facts, Mapping):
        raise UnreadableRules("no rule")
    kind, pattern = RuleKind(_text(facts, "kind")), _text(facts, "pattern")
    homeserver = _text(facts, "homeserver") or None
    named = _text(facts, "class")
    if not named:
        raise UnreadableRules("it has no class")
    rule = Rule(
        kind,
        pattern,
        # An unknown class counts as guest, which allows least. If the rule were left out, a wider
        # rule would decide for its people.
        CLASSES.get(named, AccountClass.GUEST),
        # Interned: thousands of rules share a few homeservers and organisations.
        sys.intern(homeserver) if homeserver else None,
        requires_invite=bool(facts.get("requires_invite")),
        organisation=sys.intern(_text(facts, "organisation")),
        # A rule without homeserver is a sibling's. Which domain to use instead is not needed here.
        sibling_of=None if homeserver else pattern or None,
        valid_from=_moment(facts, "valid_from"),
        valid_until=_moment(facts, "valid_until"),
        extra_signs=order_signs(_text(facts, "extra_signs")),
    )
    if named not in CLASSES:
        skipped.append(f"{rule.name}: the class {named!r} is unknown here, and counts as guest")
    return rule


def _text(facts: Mapping[str, Any], key: str) -> str:
    value = facts.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableRules(f"{key} is no text")
    return value


def _moment(facts: Mapping[str, Any], key: str) -> datetime | None:
    text = _text(facts, key)
    moment = datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise UnreadableRules(f"{key} has no time zone")
    return moment


def _written_moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _name(facts: Any, place: int) -> str:
    if isinstance(facts, Mapping) and facts.get("kind"):
        return f"{facts['kind']}:{facts.get('pattern', '')}"[:200]
    return f"rule {place}"
