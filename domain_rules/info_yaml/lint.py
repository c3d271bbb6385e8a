"""Finds lines of an info.yaml that do something else than their author probably meant."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from domain_rules.enums import StrEnum
from domain_rules.rule import RuleKind

from .legacy_lookup import CallerAnswer, LegacyLine, LegacyServer
from .probe_addresses import probe_addresses_of
from .regex_shapes import Target


class LintKind(StrEnum):
    """What kind of mistake it is."""

    UNESCAPED_DOT = "unescaped_dot"
    SHADOWED = "shadowed"
    OVERLAP = "overlap"
    CAPITALS = "capitals"
    OPEN_DEFAULT = "open_default"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A line, and what is wrong with it."""

    line: int
    text: str
    trap: LintKind
    reason: str


MAX_EXAMPLES = 200  # each needs a compiled regex


def find_dangers(lines: Iterable[LegacyLine]) -> Iterator[LintFinding]:
    """The findings, in the order in which the old server tries the lines."""
    earlier = _Earlier()
    for number, line in enumerate(lines):
        found = [
            _unescaped(line, with_example=number < MAX_EXAMPLES),
            _capitals(line),
            _open_default(line),
            earlier.shadow(line),
        ]
        for trap, reason in filter(None, found):
            yield LintFinding(line.line, line.text, trap, reason)
        earlier.add(line)


Found = tuple[LintKind, str] | None


def _unescaped(line: LegacyLine, *, with_example: bool) -> Found:
    loose = [target for target in line.targets if target.loose or target.glued]
    if line.is_entry or not loose:
        return None
    examples = (_taken_too(line, target) for target in loose if with_example)
    example = next(filter(None, examples), None)
    said = f": {example} was taken too" if example else ""
    return LintKind.UNESCAPED_DOT, f"a dot that is not escaped stands for any letter{said}"


def _taken_too(line: LegacyLine, target: Target) -> str | None:
    """An address that the pattern matches although nobody meant it."""
    server = LegacyServer([line])
    domain = target.text.rpartition("@")[2]
    for address in probe_addresses_of(target):
        is_meant = address == target.text or address.endswith((f"@{domain}", f".{domain}"))
        # A single label is no domain: the example should be one that can be registered.
        is_possible = "." in address.rpartition("@")[2]
        if is_possible and not is_meant and server.find_line(address):
            return address
    return None


def _capitals(line: LegacyLine) -> Found:
    for target in line.targets:
        if target.text != target.text.lower():
            said = "only this capitalisation was taken; now every one is"
            return LintKind.CAPITALS, said
    return None


def _open_default(line: LegacyLine) -> Found:
    is_default = any(target.kind is RuleKind.DEFAULT for target in line.targets)
    if not is_default or line.answer.requires_invite:
        return None
    return LintKind.OPEN_DEFAULT, "everybody may register there, without an invitation, as a guest"


@dataclass
class _Earlier:
    """Targets of the lines so far, with the line that takes them."""

    suffixes: dict[str, LegacyLine] = field(default_factory=dict)
    domains: dict[str, LegacyLine] = field(default_factory=dict)
    addresses: dict[str, LegacyLine] = field(default_factory=dict)
    default: LegacyLine | None = None

    def add(self, line: LegacyLine) -> None:
        tables = {
            RuleKind.SUFFIX: self.suffixes,
            RuleKind.DOMAIN: self.domains,
            RuleKind.ADDRESS: self.addresses,
        }
        for target in line.targets:
            if target.kind is RuleKind.DEFAULT:
                self.default = self.default or line
            else:
                tables[target.kind].setdefault(target.text, line)

    def shadow(self, line: LegacyLine) -> Found:
        """Whether earlier lines take all or a part of what this line means."""
        takers = [self._taker(target) for target in line.targets]
        first = next(filter(None, takers), None)
        if first is None:
            return None
        if all(takers):
            said = f"never reached: line {first.line} ({first.text}) comes first and takes it all"
            return LintKind.SHADOWED, said + _consequence(first.answer, line.answer)
        if first.answer == line.answer:
            return None
        number = next(at for at, taker in enumerate(takers) if taker)
        said = f"{line.targets[number].text} was taken by line {first.line} ({first.text}) first"
        return LintKind.OVERLAP, said

    def _taker(self, target: Target) -> LegacyLine | None:
        """The earlier line that takes everything the target means."""
        found = self.addresses.get(target.text) if target.kind is RuleKind.ADDRESS else None
        domain = target.text.rpartition("@")[2]
        if target.kind in {RuleKind.ADDRESS, RuleKind.DOMAIN}:
            found = found or self.domains.get(domain)
        while domain and found is None:
            found = self.suffixes.get(domain)
            domain = domain.partition(".")[2]
        return found or self.default


def _consequence(first: CallerAnswer, this: CallerAnswer) -> str:
    if first == this:
        return ", with the same answer"
    return "; see the differences for what decides now"
