"""Writes rules as YAML in a fixed order: reading the file again gives the same rules."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from domain_rules.rule import Rule, RuleKind

# Texts that every YAML loader reads as text; everything else is quoted.
PLAIN = re.compile(r"[a-z][a-z0-9_-]*(?:[.@][a-z0-9_-]+)+")
WIDEST_FIRST = (RuleKind.DEFAULT, RuleKind.SUFFIX, RuleKind.DOMAIN, RuleKind.ADDRESS)


def sort_rules(rules: Iterable[Rule]) -> list[Rule]:
    """The default first, then by domain from its last label: related rules stand together."""
    return sorted(rules, key=_place)


def _place(rule: Rule) -> tuple[bool, list[str], int, str]:
    domain = rule.pattern.rpartition("@")[2]
    is_default = rule.kind is RuleKind.DEFAULT
    return not is_default, domain.split(".")[::-1], WIDEST_FIRST.index(rule.kind), rule.pattern


def rule_fields(rule: Rule) -> dict[str, object]:
    """The fields of a rule beside its pattern, named as in our files; empty ones left out."""
    said = {
        "homeserver": rule.homeserver,
        "protected_homeserver": rule.protected_homeserver,
        "sibling_of": rule.sibling_of,
        "class": rule.account_class.value,
        "requires_invite": rule.requires_invite,
        "organisation": rule.organisation,
        "moved_from": list(rule.moved_from),
        "moving_until": _moment(rule.moving_until),
        "note": rule.note,
        "valid_from": _moment(rule.valid_from),
        "valid_until": _moment(rule.valid_until),
        "extra_signs": rule.extra_signs,
    }
    return {key: value for key, value in said.items() if value not in (None, "", [])}


def write_yaml(rules: Iterable[Rule], *, heading: str = "") -> str:
    """A file that `read_federation` reads. `heading` stands above it as a comment."""
    return "\n".join(_lines(sort_rules(rules), heading)) + "\n"


def _lines(rules: list[Rule], heading: str) -> Iterator[str]:
    yield from (f"# {line}" for line in heading.splitlines())
    if not rules:
        yield "rules: []"
        return
    yield "rules:"
    for rule in rules:
        pattern = _text(rule.pattern) if rule.pattern else "true"
        yield f"  - {rule.kind}: {pattern}"
        for key, value in rule_fields(rule).items():
            yield f"    {key}: {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(value) if value in {"agent", "guest"} else _text(str(value))


def _text(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return f"\\U{ord(letter):08x}"


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
