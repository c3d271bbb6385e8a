"""Completes a difference of rules with the moves that it causes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from domain_rules.addresses import EmailAddress
from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import RuleSet

from .service import Difference, Key

MOVING = timedelta(days=60)  # how long a former homeserver is still accepted


def with_moves(
    difference: Difference, old: RuleSet, left_behind: Mapping[Key, tuple[str, ...]], now: datetime
) -> Difference:
    """Add the former homeservers to rules that move people, see Rule.former_homeservers."""

    def with_move(rule: Rule, before: Iterable[str | None]) -> Rule:
        also = left_behind.get((rule.kind, rule.pattern), ())
        former = dict.fromkeys(
            name for name in (*before, *also) if name and name != rule.homeserver
        )
        if not former or rule.moved_from or rule.moving_until:
            return rule
        return replace(rule, moved_from=tuple(former), moving_until=now + MOVING)

    def of_rule(rule: Rule | None) -> tuple[str | None, ...]:
        return (rule.homeserver, *rule.former_homeservers(now)) if rule else ()

    return replace(
        difference,
        added=tuple(
            with_move(rule, of_rule(_named_before(old, rule))) for rule in difference.added
        ),
        changed=tuple(
            (was, with_move(will, of_rule(was)) if was.homeserver != will.homeserver else will)
            for was, will in difference.changed
        ),
    )


def _named_before(old: RuleSet, rule: Rule) -> Rule | None:
    """The rule that decides for these addresses now, unless it is the default."""
    anybody = rule.pattern if rule.kind is RuleKind.ADDRESS else f"anybody@{rule.pattern}"
    found = old.decide(EmailAddress.stored(anybody)).rule if rule.pattern else None
    return found if found and found.kind is not RuleKind.DEFAULT else None
