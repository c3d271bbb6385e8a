"""Output of rules and differences of rules, as text and as JSON."""

from collections.abc import Iterator
from typing import Any

import click

from domain_rules.display import display_domain
from domain_rules.rule import Rule, RuleKind
from identity.rule_changes.service import Difference

FIELDS = (
    *("account_class", "homeserver", "protected_homeserver", "requires_invite", "organisation"),
    *(
        "sibling_of",
        "moved_from",
        "moving_until",
        "note",
        "valid_from",
        "valid_until",
        "extra_signs",
    ),
)
SHOWN = 20  # lines of a long difference


def described(rule: Rule) -> dict[str, Any]:
    """A rule for JSON. `pattern` is null for the default; domains are in ASCII."""
    return {
        "kind": str(rule.kind),
        "pattern": rule.pattern or None,
        **{field: _plain(getattr(rule, field)) for field in FIELDS},
    }


def describe_difference(difference: Difference) -> dict[str, Any]:
    """A difference for JSON."""
    return {
        "base": difference.base,
        "added": [described(rule) for rule in difference.added],
        "removed": [described(rule) for rule in difference.removed],
        "changed": [
            {"from": described(old), "to": described(new)} for old, new in difference.changed
        ],
        "unchanged": difference.unchanged,
    }


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


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _short(value: Any) -> str:
    plain = _plain(value)
    return "nothing" if plain in (None, "", []) else str(plain)
