"""Which addresses a change of rules can reach: no other address is decided otherwise by it.

A rule for an address, for its domain or for a suffix of that decides an address, in this order. So
only those under a rule that begins or ends need to be read; the default concerns everybody.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from domain_rules.rule import Rule, RuleKind
from identity.core.address_domains import domain_of

MAX_PATTERNS = 5_000  # more of them are not looked for one by one: everybody is read
MAX_SUFFIXES = 20  # likewise: with each of them every address is compared, which no index serves
AT_ONCE = 400  # patterns of one condition


@dataclass(frozen=True)
class Reach:
    """The addresses, those of the domains, and those under the suffixes; or everybody's.

    None of them is named twice: no domain lies under one of the suffixes, for instance.
    """

    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    is_everybody: bool = False

    def conditions(self, column: InstrumentedAttribute[str]) -> Iterator[ColumnElement[bool]]:
        """SQL conditions for a column of canonical addresses; each address meets one at most.

        Those for addresses and domains are served by indexes, those for suffixes by reading all.
        """
        if self.is_everybody:
            yield true()
            return
        domain = domain_of(column)
        for addresses in _parts(self.addresses):
            yield column.in_(addresses)
        for domains in _parts(self.domains):
            yield domain.in_(domains)
        for suffixes in _parts(self.suffixes):
            under = (domain.endswith(f".{each}", autoescape=True) for each in suffixes)
            yield or_(domain.in_(suffixes), *under)


EVERYBODY = Reach(is_everybody=True)


def reach_of(rules: Iterable[Rule]) -> Reach:
    """Whom rules concern that begin or end."""
    patterns: dict[RuleKind, set[str]] = {kind: set() for kind in RuleKind}
    for rule in rules:
        patterns[rule.kind].add(rule.pattern)
    if patterns[RuleKind.DEFAULT] or sum(map(len, patterns.values())) > MAX_PATTERNS:
        return EVERYBODY
    every = patterns[RuleKind.SUFFIX]
    suffixes = {each for each in every if not _is_under(each.partition(".")[2], every)}
    if len(suffixes) > MAX_SUFFIXES:
        return EVERYBODY
    domains = {each for each in patterns[RuleKind.DOMAIN] if not _is_under(each, suffixes)}
    addresses = [
        each
        for each in patterns[RuleKind.ADDRESS]
        if not _is_under(each.rpartition("@")[2], suffixes)
        and each.rpartition("@")[2] not in domains
    ]
    return Reach(tuple(sorted(addresses)), tuple(sorted(domains)), tuple(sorted(suffixes)))


def _is_under(domain: str, suffixes: Collection[str]) -> bool:
    """Whether the domain is one of these, or lies under one."""
    while domain:
        if domain in suffixes:
            return True
        domain = domain.partition(".")[2]
    return False


def _parts(patterns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(patterns), AT_ONCE):
        yield patterns[start : start + AT_ONCE]
