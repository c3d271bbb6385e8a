"""Output of rules and differences of rules, as text."""

from collections.abc import Iterator
from typing import Any

import click

from domain_rules.display import display_domain
from domain_rules.rule import Rule, RuleKind
from identity.rule_changes.service import Difference
from identity.rule_changes.views import FIELDS, plain

SHOWN = 20  # lines of a long difference


def print_difference(difference: Difference, *, whole: bool = False) -> None:
    """Print a line for each rule: + added, - removed, ~ changed; at most SHOWN unless `whole`."""
    lines = list(_lines(difference))
    shown = lines if whole else lines[:SHOWN]
    for line in shown:
        click.echo(line)
    if len(shown) < len(lines):
        click.echo(f"… and {len(lines) - len(shown)} more (-v shows them)")


def _lines(difference: Difference) -> Iterator[str]:
    for rule in difference.added:
        yield f"+ {readable_name(rule)}  {outcome(rule)}"
    for rule in difference.removed:
        yield f"- {readable_name(rule)}  {outcome(rule)}"
    for old, new in difference.changed:
        changes = [
            f"{field}: {_short(getattr(old, field))} → {_short(getattr(new, field))}"
            for field in FIELDS
            if getattr(old, field) != getattr(new, field)
        ]
        yield f"~ {readable_name(new)}  {', '.join(changes)}"


def readable_name(rule: Rule) -> str:
    """As `Rule.name`, with the domain in Unicode: `domain:académie.example`."""
    if rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}:
        return f"{rule.kind}:{display_domain(rule.pattern)}"
    return rule.name


def outcome(rule: Rule) -> str:
    """What the rule decides, on one line."""
    if rule.sibling_of:
        said = f"not open, use {display_domain(rule.sibling_of)}"
    else:
        said = f"{rule.account_class} → {rule.homeserver}"
        said += " with an invitation" if rule.requires_invite else ""
    return f"{said}  {rule.organisation}".rstrip()


def _short(value: Any) -> str:
    shown = plain(value)
    return "nothing" if shown in (None, "", []) else str(shown)
