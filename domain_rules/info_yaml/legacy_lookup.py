"""What the old server answers: entries first, then the first pattern that matches, letter by letter.

Its order matters and so do capitals. Only patterns of a known shape are here, so that running them
on a short address costs little.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from typing import NamedTuple

from domain_rules.rules import Decision, Kind

from .regex_shapes import Target

MAX_PIECE = 12  # of a pattern, looked up in an address
COMPILING = 50  # what making a pattern ready costs, counted in tries


class Seen(NamedTuple):
    """What a caller reads, in the words of the wire."""

    hs: str
    shadow_hs: str | None
    requires_invite: bool

    def __str__(self) -> str:
        shadow = f" (shadow_hs {self.shadow_hs})" if self.shadow_hs else ""
        return f"{self.hs}{shadow}{' with an invitation' if self.requires_invite else ''}"


@dataclass(frozen=True, slots=True)
class OldAnswer:
    """What stands behind a pattern. `shadow_hs` is for callers outside the protected networks."""

    hs: str
    shadow_hs: str | None
    requires_invite: bool

    def seen(self, *, inside: bool) -> Seen:
        if inside or self.shadow_hs is None:
            return Seen(self.hs, self.shadow_hs, self.requires_invite)
        return Seen(self.shadow_hs, None, self.requires_invite)


def seen_now(decision: Decision, *, inside: bool) -> Seen | None:
    """What the same caller reads from us; None: nobody's address."""
    if decision.homeserver is None:
        return None
    if inside and decision.protected_homeserver:
        return Seen(decision.protected_homeserver, decision.homeserver, decision.requires_invite)
    return Seen(decision.homeserver, None, decision.requires_invite)


@dataclass(frozen=True, slots=True)
class OldLine:
    """An entry or a pattern, as it stands on its line, and what it means."""

    line: int
    text: str
    answer: OldAnswer
    targets: tuple[Target, ...]
    is_entry: bool = False
    is_taken: bool = True
    """Whether it gave rules; if not, there is a fault that says why."""


class OldServer:
    """Answers as the old server does; finds what may match without trying every pattern."""

    def __init__(self, lines: Sequence[OldLine]) -> None:
        self.tries = 0
        self._entries = {line.text: line for line in reversed(lines) if line.is_entry}
        self._patterns = [line for line in lines if not line.is_entry]
        self._ready: dict[int, Callable[[str], object]] = {}
        self._always: list[int] = []
        self._by_piece: dict[tuple[int, int], dict[str, list[int]]] = {}
        for number, line in enumerate(self._patterns):
            for piece in {_piece(target) for target in line.targets}:
                self._put(number, piece)

    def first(self, address: str) -> OldLine | None:
        """The line that decides for an address, exactly as it is spelt."""
        if address in self._entries:
            return self._entries[address]
        for number in self._candidates(address):
            self.tries += 1
            if self._matcher(number)(address):
                return self._patterns[number]
        return None

    def _put(self, number: int, piece: tuple[int, str] | None) -> None:
        if piece is None:
            self._always.append(number)
            return
        from_end, text = piece
        table = self._by_piece.setdefault((from_end, len(text)), {})
        table.setdefault(text, []).append(number)

    def _candidates(self, address: str) -> Iterator[int]:
        """In their order; a pattern of several targets may come more than once."""
        found = [self._always]
        for (from_end, length), table in self._by_piece.items():
            end = len(address) - from_end
            found.append(table.get(address[end - length : end], []) if end >= length else [])
        return iter(merge(*(numbers for numbers in found if numbers)))

    def _matcher(self, number: int) -> Callable[[str], object]:
        if number not in self._ready:
            self.tries += COMPILING
            self._ready[number] = re.compile(self._patterns[number].text + "$").match
        return self._ready[number]


def _piece(target: Target) -> tuple[int, str] | None:
    """What must stand at a distance from the end: how the longest text without a loose dot begins."""
    if target.kind is Kind.DEFAULT:
        return None
    cuts = [-1, *target.loose, len(target.text)]
    spans = ((first + 1, last) for first, last in pairwise(cuts))
    begin, end = max(spans, key=lambda span: span[1] - span[0])
    end = min(end, begin + MAX_PIECE)
    return len(target.text) - end, target.text[begin:end]
