"""How rules and changes of rules are shown, to people and to programs."""

from collections.abc import Iterator
from typing import Any

import click

from domain_rules.display import display_domain
from domain_rules.rules import Kind, Rule
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
    """A rule for programs. `pattern` is null for the default; domains stand in ASCII."""
    return {
        "kind": str(rule.kind),
        "pattern": rule.pattern or None,
        **{field: _plain(getattr(rule, field)) for field in FIELDS},
    }


def describe_difference(difference: Difference) -> dict[str, Any]:
    """The part of the JSON that every change of rules has."""
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
    """One line for a rule: + added, - removed, ~ changed. Of a long one the beginning, unless `whole`."""
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
    """`domain:académie.example`: as `Rule.name`, with the domain as it is written."""
    if rule.kind in {Kind.DOMAIN, Kind.SUFFIX}:
        return f"{rule.kind}:{display_domain(rule.pattern)}"
    return rule.name


def outcome(rule: Rule) -> str:
    """What the rule says, on one line."""
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
