"""Compares what the old server answered with what the imported rules answer.

For every pattern, addresses are made up that it means or narrowly misses; each is looked up on both
sides, from inside and from outside the protected networks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.enums import StrEnum
from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import Decision, RuleSet

from .legacy_lookup import CallerAnswer, LegacyLine, LegacyServer, current_answer
from .probe_addresses import probe_addresses_of
from .reading import InfoYamlReading
from .regex_shapes import Target

MAX_ADDRESSES = 60_000  # about twenty seconds, together with MAX_TRIES
MAX_TRIES = 3_000_000


class Cause(StrEnum):
    """Why an answer differs, the gravest first."""

    UNKNOWN = "unknown"
    ORDER = "order"
    UNESCAPED_DOT = "unescaped_dot"
    OTHER_RULE = "other_rule"
    SPELLING = "spelling"
    CAPITALS = "capitals"


class AnswerPair(NamedTuple):
    """What a caller was answered and is answered now. None: nobody's address, or no address."""

    old: CallerAnswer | None
    new: CallerAnswer | None


@dataclass(frozen=True, slots=True)
class Difference:
    """An address with another answer, inside or outside the protected networks."""

    line: int
    text: str
    address: str
    inside: AnswerPair
    outside: AnswerPair
    cause: Cause
    explanation: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The result: `lines` were tested with `addresses`.

    `is_whole` is False if the file was too long to test everything.
    """

    addresses: int
    lines: int
    is_whole: bool
    differences: tuple[Difference, ...]


def prove(reading: InfoYamlReading, rules: RuleSet, *, max_addresses: int = MAX_ADDRESSES) -> Proof:
    """Compare the answers for every line that gave rules.

    `rules`: those that will be in force.
    """
    proving = _Proving(LegacyServer(reading.old), rules, _sources(reading), max_addresses)
    # One address of each line in turn, so that a file too long to test is tested evenly.
    waiting = deque((line, _addresses(line)) for line in reading.old if line.is_taken)
    lines, turns = len(waiting), 0
    while waiting and not proving.is_spent:
        line, addresses = waiting.popleft()
        turns += 1
        address = next(addresses, None)
        if address is not None:
            proving.compare(address, line)
            waiting.append((line, addresses))
    return Proof(len(proving.seen), min(lines, turns), not waiting, tuple(proving.found))


def _addresses(line: LegacyLine) -> Iterator[str]:
    return chain.from_iterable(map(probe_addresses_of, line.targets))


def _sources(reading: InfoYamlReading) -> dict[str, LegacyLine]:
    """The line from which each rule was made, by the rule's name."""
    sources: dict[str, LegacyLine] = {}
    for number, rules in reading.rules_of.items():
        for rule in rules:
            sources.setdefault(rule.name, reading.old[number])
    return sources


@dataclass
class _Proving:
    old: LegacyServer
    rules: RuleSet
    sources: dict[str, LegacyLine]
    max_addresses: int
    seen: set[str] = field(default_factory=set)
    found: list[Difference] = field(default_factory=list)

    @property
    def is_spent(self) -> bool:
        return len(self.seen) >= self.max_addresses or self.old.tries >= MAX_TRIES

    def compare(self, address: str, line: LegacyLine) -> None:
        """Record a difference; `line` is the one for which the address was made up."""
        if address in self.seen:
            return
        winner = self.old.find_line(address)
        if winner and not winner.is_taken:
            return  # the import refused this line: there is no rule to compare with
        try:
            decision = self.rules.decide(EmailAddress.parse(address, smtputf8=True))
        except InvalidAddress:
            decision = None
            # Not a valid address: worth reporting only if an unescaped dot matched it.
            if winner is None or not _took_loosely(winner, address):
                return
        self.seen.add(address)
        inside, outside = (_pair(winner, decision, inside=each) for each in (True, False))
        if inside.old != inside.new or outside.old != outside.new:
            cause, about, said = self._why(address, line, winner, decision)
            self.found.append(
                Difference(about.line, about.text, address, inside, outside, cause, said)
            )

    def _why(
        self, address: str, line: LegacyLine, winner: LegacyLine | None, decision: Decision | None
    ) -> tuple[Cause, LegacyLine, str]:
        """The cause, the line it is about, and a sentence."""
        rule = decision.rule if decision else None
        source = self.sources.get(rule.name) if rule else None
        if winner and _took_loosely(winner, address):
            said = "a dot that is not escaped stood for any letter; now it is a dot"
            return Cause.UNESCAPED_DOT, winner, said
        if rule and source is None:
            said = f"{rule.name} decides, which is in force here and not of this file"
            return Cause.OTHER_RULE, line, said
        if winner and source and _comes_later(source, winner):
            said = (
                f"line {winner.line} came first and took it; now the narrower {_name(rule)} decides"
            )
            return Cause.ORDER, source, said
        spelling = self._spelling(address, winner)
        if spelling:
            return (*spelling[:1], source or line, spelling[1])
        return Cause.UNKNOWN, line, f"now {_name(rule)} decides"

    def _spelling(self, address: str, winner: LegacyLine | None) -> tuple[Cause, str] | None:
        """The cause, if the old server answered another spelling differently."""
        plain = address.lower()
        if plain != address and self.old.find_line(plain) is not winner:
            return Cause.CAPITALS, "capitals made it another address; now they make no difference"
        if winner and any(target.text != target.text.lower() for target in winner.targets):
            return Cause.CAPITALS, "only these capitals were taken; now all spellings are"
        if any(each.startswith("xn--") for each in address.rpartition("@")[2].split(".")):
            return Cause.SPELLING, "the old server knew this domain in one spelling only"
        if capitals := self._with_capitals(address):
            return Cause.CAPITALS, f"only {capitals} was taken; now capitals make no difference"
        return None

    def _with_capitals(self, address: str) -> str | None:
        """The spelling with capitals that the deciding rule has in the file, if there is one."""
        try:
            rule = self.rules.decide(EmailAddress.parse(address, smtputf8=True)).rule
        except InvalidAddress:
            return None
        source = self.sources.get(rule.name) if rule else None
        texts = [target.text for target in source.targets] if source else []
        return next((text for text in texts if text != text.lower()), None)


def _pair(winner: LegacyLine | None, decision: Decision | None, *, inside: bool) -> AnswerPair:
    old = winner.answer.for_caller(inside=inside) if winner else None
    return AnswerPair(old, current_answer(decision, inside=inside) if decision else None)


def _took_loosely(line: LegacyLine, address: str) -> bool:
    """Whether the line matched an address that it does not mean."""
    if not any(target.loose or target.glued for target in line.targets):
        return False
    return not any(_means(target, address) for target in line.targets)


def _means(target: Target, address: str) -> bool:
    domain = address.rpartition("@")[2]
    if target.kind is RuleKind.DEFAULT:
        return True
    if target.kind is RuleKind.ADDRESS:
        return address == target.text
    under = target.kind is RuleKind.SUFFIX and domain.endswith(f".{target.text}")
    return under or domain == target.text


def _comes_later(line: LegacyLine, other: LegacyLine) -> bool:
    if line.is_entry != other.is_entry:
        return other.is_entry
    return line.line > other.line


def _name(rule: Rule | None) -> str:
    return rule.name if rule else "no rule"
