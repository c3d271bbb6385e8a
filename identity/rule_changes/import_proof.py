"""The proof made at the import of an old info.yaml: what it answers otherwise than before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain_rules.info_yaml.lint import LintFinding, find_dangers
from domain_rules.info_yaml.proof import AnswerPair, Proof, prove
from domain_rules.info_yaml.reading import InfoYamlReading
from domain_rules.rule import Rule
from domain_rules.rules import RuleSet

from .files import Content
from .service import Key

FIELDS: Final = ("line", "text", "address", "cause", "explanation")
"""Of a difference, besides its answers."""


@dataclass(frozen=True)
class ImportProof:
    """The reading of an old file, the proof of its translation, and the dangers in it."""

    reading: InfoYamlReading
    proof: Proof
    dangers: tuple[LintFinding, ...]


def make_proof(content: Content, in_force: Mapping[Key, Rule], now: datetime) -> ImportProof | None:
    """Prove the content against the rules in force together with its own; None if it is not old."""
    if content.old is None:
        return None
    rules = {**in_force, **{(rule.kind, rule.pattern): rule for rule in content.rules}}
    proof = prove(content.old, RuleSet.compile(rules.values(), at=now))
    return ImportProof(content.old, proof, tuple(find_dangers(content.old.old)))


def describe_proof(found: ImportProof) -> dict[str, Any]:
    """The proof for JSON."""
    return {
        "addresses": found.proof.addresses,
        "lines": found.proof.lines,
        "is_whole": found.proof.is_whole,
        "translations": [
            {
                "line": line.line,
                "text": line.text,
                "rules": [rule.name for rule in found.reading.rules_of.get(number, ())],
            }
            for number, line in enumerate(found.reading.old)
        ],
        "differences": [
            {field: getattr(each, field) for field in FIELDS}
            | {"inside": _pair(each.inside), "outside": _pair(each.outside)}
            for each in found.proof.differences
        ],
        "dangers": [
            {"line": each.line, "text": each.text, "kind": each.trap, "reason": each.reason}
            for each in found.dangers
        ],
    }


def _pair(pair: AnswerPair) -> dict[str, Any]:
    return {
        name: seen._asdict() if seen else None
        for name, seen in (("old", pair.old), ("new", pair.new))
    }
