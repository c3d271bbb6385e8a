"""What in an old file did something else than whoever wrote it believed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from domain_rules.enums import Word
from domain_rules.rules import Kind

from .legacy_lookup import OldAnswer, OldLine, OldServer
from .probe_addresses import tried_with
from .regex_shapes import Target


class Trap(Word):
    """What kind of danger it is."""

    UNESCAPED_DOT = "unescaped_dot"
    SHADOWED = "shadowed"
    OVERLAP = "overlap"
    CAPITALS = "capitals"
    OPEN_DEFAULT = "open_default"


@dataclass(frozen=True, slots=True)
class Danger:
    """A line, and what to know about it."""

    line: int
    text: str
    trap: Trap
    reason: str


MAX_EXAMPLES = 200  # each takes a regex made ready


def dangers(lines: Iterable[OldLine]) -> Iterator[Danger]:
    """In the order the old server asks the lines."""
    earlier = _Earlier()
    for number, line in enumerate(lines):
        found = [
            _unescaped(line, with_example=number < MAX_EXAMPLES),
            _capitals(line),
            _open_default(line),
            earlier.shadow(line),
        ]
        for trap, reason in filter(None, found):
            yield Danger(line.line, line.text, trap, reason)
        earlier.add(line)


Found = tuple[Trap, str] | None


def _unescaped(line: OldLine, *, with_example: bool) -> Found:
    if line.is_entry or not any(target.loose or target.glued for target in line.targets):
        return None
    cases = _alone(line) if with_example else ()
    example = next(filter(None, map(_taken_too, cases)), None)
    said = f": {example} was taken too" if example else ""
    return Trap.UNESCAPED_DOT, f"a dot that is not escaped stands for any letter{said}"


def _alone(line: OldLine) -> Iterator[tuple[OldLine, Target]]:
    return ((line, target) for target in line.targets if target.loose or target.glued)


def _taken_too(case: tuple[OldLine, Target]) -> str | None:
    """An address that nobody meant and the pattern takes."""
    line, target = case
    server = OldServer([line])
    domain = target.text.rpartition("@")[2]
    for address in tried_with(target):
        is_meant = address == target.text or address.endswith((f"@{domain}", f".{domain}"))
        # one label is no domain; an example should be one that can be registered
        is_possible = "." in address.rpartition("@")[2]
        if is_possible and not is_meant and server.first(address):
            return address
    return None


def _capitals(line: OldLine) -> Found:
    for target in line.targets:
        if target.text != target.text.lower():
            said = "only this capitalisation was taken; now every one is"
            return Trap.CAPITALS, said
    return None


def _open_default(line: OldLine) -> Found:
    is_default = any(target.kind is Kind.DEFAULT for target in line.targets)
    if not is_default or line.answer.requires_invite:
        return None
    return Trap.OPEN_DEFAULT, "everybody may register there, without an invitation, as a guest"


@dataclass
class _Earlier:
    """What the lines so far take, and which of them."""

    suffixes: dict[str, OldLine] = field(default_factory=dict)
    domains: dict[str, OldLine] = field(default_factory=dict)
    addresses: dict[str, OldLine] = field(default_factory=dict)
    default: OldLine | None = None

    def add(self, line: OldLine) -> None:
        tables = {
            Kind.SUFFIX: self.suffixes,
            Kind.DOMAIN: self.domains,
            Kind.ADDRESS: self.addresses,
        }
        for target in line.targets:
            if target.kind is Kind.DEFAULT:
                self.default = self.default or line
            else:
                tables[target.kind].setdefault(target.text, line)

    def shadow(self, line: OldLine) -> Found:
        """Whether lines before take what this one is for, all of it or a part."""
        takers = [self._taker(target) for target in line.targets]
        first = next(filter(None, takers), None)
        if first is None:
            return None
        if all(takers):
            said = f"never reached: line {first.line} ({first.text}) comes first and takes it all"
            return Trap.SHADOWED, said + _consequence(first.answer, line.answer)
        if first.answer == line.answer:
            return None
        number = next(at for at, taker in enumerate(takers) if taker)
        said = f"{line.targets[number].text} was taken by line {first.line} ({first.text}) first"
        return Trap.OVERLAP, said

    def _taker(self, target: Target) -> OldLine | None:
        """The line before that takes everything the target means."""
        found = self.addresses.get(target.text) if target.kind is Kind.ADDRESS else None
        domain = target.text.rpartition("@")[2]
        if target.kind in {Kind.ADDRESS, Kind.DOMAIN}:
            found = found or self.domains.get(domain)
        while domain and found is None:
            found = self.suffixes.get(domain)
            domain = domain.partition(".")[2]
        return found or self.default


def _consequence(first: OldAnswer, this: OldAnswer) -> str:
    if first == this:
        return ", with the same answer"
    return "; see the differences for what decides now"
