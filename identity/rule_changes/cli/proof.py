"""Output of the proof made at the import of an old info.yaml, as text."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from domain_rules.info_yaml.legacy_lookup import CallerAnswer
from domain_rules.info_yaml.lint import LintFinding
from domain_rules.info_yaml.proof import AnswerPair, Cause, Difference, Proof
from domain_rules.info_yaml.reading import InfoYamlReading
from domain_rules.rule import Rule
from identity.command.printing import print_message
from identity.rule_changes.import_proof import ImportProof

from .differences import SHOWN, outcome, readable_name

EXAMPLES = 4  # of one cause, unless all are wanted
WIDEST = 44

HEADINGS = {
    Cause.UNESCAPED_DOT: "a dot that was not escaped stood for any letter; now it is a dot",
    Cause.CAPITALS: "capitals made it another address; now they make no difference",
    Cause.ORDER: "an earlier line came first; now the narrower rule decides, whatever the order",
    Cause.SPELLING: (
        "one spelling of the domain was known; now the Unicode and the xn-- form are one"
    ),
    Cause.OTHER_RULE: "a rule that is in force here and not of this file decides",
    Cause.UNKNOWN: "the rules say something else; look at these one by one",
}


def print_proof(found: ImportProof, *, whole: bool) -> None:
    """Print each line's translation, the dangers, and the addresses with another answer."""
    for part in (_translations(found.reading), _dangers(found.dangers)):
        lines = list(part)
        shown = lines if whole else lines[: SHOWN + 1]
        for line in shown:
            print_message(line)
        if len(shown) < len(lines):
            print_message(f"  … and {len(lines) - len(shown)} more (-v shows them)")
    for line in _differences(found.proof, whole=whole):
        print_message(line)


def _translations(reading: InfoYamlReading) -> Iterator[str]:
    yield "What each line becomes:"
    widest = min(max((len(line.text) for line in reading.old), default=0), WIDEST)
    for number, line in enumerate(reading.old):
        place = f"  line {line.line:<5} {line.text:<{widest}}  "
        rules = reading.rules_of.get(number, ())
        if not rules:
            yield f"{place}not taken, see below"
        for rule in rules:
            yield f"{place}{_said(rule)}"
            place = " " * len(place)


def _said(rule: Rule) -> str:
    inside = rule.protected_homeserver
    protected = f", from the protected networks {inside}" if inside else ""
    return f"{readable_name(rule)}  {outcome(rule)}{protected}"


def _dangers(found: Iterable[LintFinding]) -> Iterator[str]:
    lines = [f"  line {each.line}: {each.text}: {each.reason}" for each in found]
    if lines:
        yield "Dangers in the old file:"
        yield from lines


def _differences(proof: Proof, *, whole: bool) -> Iterator[str]:
    found = sorted(proof.differences, key=lambda each: (list(Cause).index(each.cause), each.line))
    same = proof.addresses - len(found)
    asked = f"Proof: {proof.addresses} addresses made up around {proof.lines} lines"
    sides = "each asked from inside and from outside the protected networks"
    yield f"{asked}, {sides}: {same} answered as before, {len(found)} otherwise."
    if not proof.is_whole:
        yield "  The file is too long to try all there is to try: this is a part of it."
    for cause, group in groupby(found, key=lambda each: each.cause):
        here = list(group)
        shown = here if whole else here[:EXAMPLES]
        yield f"{len(here)} {'address' if len(here) == 1 else 'addresses'}: {HEADINGS[cause]}"
        for each in shown:
            yield f"  line {each.line}: {each.address}: {_changed(each)}"
            if cause in {Cause.ORDER, Cause.OTHER_RULE}:
                yield f"    {each.explanation}"
        if len(shown) < len(here):
            yield f"  … and {len(here) - len(shown)} more (-v shows them)"


def _changed(each: Difference) -> str:
    inside, outside = _from_to(each.inside), _from_to(each.outside)
    if inside == outside:
        return inside
    return f"from inside {inside}; from outside {outside}"


def _from_to(pair: AnswerPair) -> str:
    if pair.old == pair.new:
        return f"{_answer(pair.old)} as before"
    return f"{_answer(pair.old)} before, {_answer(pair.new)} now"


def _answer(seen: CallerAnswer | None) -> str:
    return str(seen) if seen else "nobody's"
