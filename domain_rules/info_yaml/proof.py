"""The proof of an import: what the old server answered and what the rules now answer, compared.

For every pattern addresses are made up that it means or narrowly misses; each is asked on both
sides, from inside and from outside the protected networks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.enums import Word
from domain_rules.rules import Decision, Kind, Rule, RuleSet

from .legacy_lookup import OldLine, OldServer, Seen, seen_now
from .probe_addresses import tried_with
from .reading import OldReading
from .regex_shapes import Target

MAX_ADDRESSES = 60_000  # some twenty seconds, together with the tries
MAX_TRIES = 3_000_000


class Cause(Word):
    """Why an answer is another one, what weighs most first."""

    UNKNOWN = "unknown"
    ORDER = "order"
    UNESCAPED_DOT = "unescaped_dot"
    OTHER_RULE = "other_rule"
    SPELLING = "spelling"
    CAPITALS = "capitals"


class Pair(NamedTuple):
    """What one caller was answered and is now. None: nobody's address, or no address at all."""

    old: Seen | None
    new: Seen | None


@dataclass(frozen=True, slots=True)
class Differing:
    """An address that is answered otherwise, from inside the protected networks or from outside."""

    line: int
    text: str
    address: str
    inside: Pair
    outside: Pair
    cause: Cause
    explanation: str


@dataclass(frozen=True, slots=True)
class Proof:
    """`lines` were tried with `addresses`; of a file too long not with all there are to try."""

    addresses: int
    lines: int
    is_whole: bool
    differences: tuple[Differing, ...]


def prove(reading: OldReading, rules: RuleSet, *, most_addresses: int = MAX_ADDRESSES) -> Proof:
    """Ask both for every line that was taken. `rules` are those that will be in force."""
    proving = _Proving(OldServer(reading.old), rules, _sources(reading), most_addresses)
    # An address of each line in turn: of a file too long for all, no line is left out for another.
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


def _addresses(line: OldLine) -> Iterator[str]:
    return chain.from_iterable(map(tried_with, line.targets))


def _sources(reading: OldReading) -> dict[str, OldLine]:
    """Which line a rule is of, by its name."""
    sources: dict[str, OldLine] = {}
    for number, rules in reading.rules_of.items():
        for rule in rules:
            sources.setdefault(rule.name, reading.old[number])
    return sources


@dataclass
class _Proving:
    old: OldServer
    rules: RuleSet
    sources: dict[str, OldLine]
    most_addresses: int
    seen: set[str] = field(default_factory=set)
    found: list[Differing] = field(default_factory=list)

    @property
    def is_spent(self) -> bool:
        return len(self.seen) >= self.most_addresses or self.old.tries >= MAX_TRIES

    def compare(self, address: str, line: OldLine) -> None:
        """Note where the answers differ; `line` is the one this address was made up for."""
        if address in self.seen:
            return
        winner = self.old.first(address)
        if winner and not winner.is_taken:
            return  # refused, and said so: there is no rule to compare with
        try:
            decision = self.rules.decide(EmailAddress.parse(address, smtputf8=True))
        except InvalidAddress:
            decision = None
            # No such address exists: only a loose dot takes it, and that is worth saying.
            if winner is None or not _took_loosely(winner, address):
                return
        self.seen.add(address)
        inside, outside = (_pair(winner, decision, inside=each) for each in (True, False))
        if inside.old != inside.new or outside.old != outside.new:
            cause, about, said = self._why(address, line, winner, decision)
            self.found.append(
                Differing(about.line, about.text, address, inside, outside, cause, said)
            )

    def _why(
        self, address: str, line: OldLine, winner: OldLine | None, decision: Decision | None
    ) -> tuple[Cause, OldLine, str]:
        """The cause, the line it is a matter of, and a sentence."""
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

    def _spelling(self, address: str, winner: OldLine | None) -> tuple[Cause, str] | None:
        """Whether the old server would have answered otherwise, had it been spelt otherwise."""
        plain = address.lower()
        if plain != address and self.old.first(plain) is not winner:
            return Cause.CAPITALS, "capitals made it another address; now they make no difference"
        if winner and any(target.text != target.text.lower() for target in winner.targets):
            return Cause.CAPITALS, "only these capitals were taken; now all spellings are"
        if any(each.startswith("xn--") for each in address.rpartition("@")[2].split(".")):
            return Cause.SPELLING, "the old server knew this domain in one spelling only"
        capitals = next(self._with_capitals(address), None)
        if capitals:
            return Cause.CAPITALS, f"only {capitals} was taken; now capitals make no difference"
        return None

    def _with_capitals(self, address: str) -> Iterator[str]:
        """The spelling with capitals in which a rule of now stands in the file."""
        try:
            rule = self.rules.decide(EmailAddress.parse(address, smtputf8=True)).rule
        except InvalidAddress:
            return
        source = self.sources.get(rule.name) if rule else None
        for target in source.targets if source else ():
            if target.text != target.text.lower():
                yield target.text


def _pair(winner: OldLine | None, decision: Decision | None, *, inside: bool) -> Pair:
    old = winner.answer.seen(inside=inside) if winner else None
    return Pair(old, seen_now(decision, inside=inside) if decision else None)


def _took_loosely(line: OldLine, address: str) -> bool:
    """Whether the line took an address that it does not mean."""
    if not any(target.loose or target.glued for target in line.targets):
        return False
    return not any(_means(target, address) for target in line.targets)


def _means(target: Target, address: str) -> bool:
    domain = address.rpartition("@")[2]
    if target.kind is Kind.DEFAULT:
        return True
    if target.kind is Kind.ADDRESS:
        return address == target.text
    under = target.kind is Kind.SUFFIX and domain.endswith(f".{target.text}")
    return under or domain == target.text


def _comes_later(line: OldLine, other: OldLine) -> bool:
    if line.is_entry != other.is_entry:
        return other.is_entry
    return line.line > other.line


def _name(rule: Rule | None) -> str:
    return rule.name if rule else "no rule"
