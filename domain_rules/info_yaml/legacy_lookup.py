"""Looks up an address as the old server did: entries first, then the first pattern that matches.

Order and capitals matter there. Only patterns of a known shape come here, so running them on a
short address costs little.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from typing import NamedTuple

from domain_rules.rule import RuleKind
from domain_rules.rules import Decision

from .regex_shapes import Target

MAX_PIECE = 12  # characters of a pattern that are looked up in an address
COMPILING = 50  # the cost of compiling a pattern, counted in tries


class CallerAnswer(NamedTuple):
    """An answer of `/info`, with the field names of that API.

    In the answer behind a pattern, `shadow_hs` is for callers outside the protected networks.
    """

    hs: str
    shadow_hs: str | None
    requires_invite: bool

    def __str__(self) -> str:
        shadow = f" (shadow_hs {self.shadow_hs})" if self.shadow_hs else ""
        return f"{self.hs}{shadow}{' with an invitation' if self.requires_invite else ''}"

    def for_caller(self, *, inside: bool) -> "CallerAnswer":
        """What a caller inside or outside the protected networks is answered by this pattern."""
        if inside or self.shadow_hs is None:
            return self
        return CallerAnswer(self.shadow_hs, None, self.requires_invite)


def current_answer(decision: Decision, *, inside: bool) -> CallerAnswer | None:
    """What the same caller is answered now; None if the address is nobody's."""
    if decision.homeserver is None:
        return None
    if inside and decision.protected_homeserver:
        return CallerAnswer(
            decision.protected_homeserver, decision.homeserver, decision.requires_invite
        )
    return CallerAnswer(decision.homeserver, None, decision.requires_invite)


@dataclass(frozen=True, slots=True)
class LegacyLine:
    """An entry or a pattern of the file: its text, its answer, and the targets it means."""

    line: int
    text: str
    answer: CallerAnswer
    targets: tuple[Target, ...]
    is_entry: bool = False
    is_taken: bool = True
    """Whether it gave rules; if not, a fault says why."""


class LegacyServer:
    """Answers as the old server does, without trying every pattern."""

    def __init__(self, lines: Sequence[LegacyLine]) -> None:
        self.tries = 0
        self._entries = {line.text: line for line in reversed(lines) if line.is_entry}
        self._patterns = [line for line in lines if not line.is_entry]
        self._ready: dict[int, Callable[[str], object]] = {}
        self._always: list[int] = []
        self._by_piece: dict[tuple[int, int], dict[str, list[int]]] = {}
        for number, line in enumerate(self._patterns):
            for piece in {_piece(target) for target in line.targets}:
                self._put(number, piece)

    def find_line(self, address: str) -> LegacyLine | None:
        """The line that decides for an address, exactly as it is spelled; None if none does."""
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
        """Patterns in their order; one with several targets may come more than once."""
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
    """A text that matching addresses have at a distance from their end.

    It is the start of the longest run of characters without an unescaped dot.
    """
    if target.kind is RuleKind.DEFAULT:
        return None
    cuts = [-1, *target.loose, len(target.text)]
    spans = ((first + 1, last) for first, last in pairwise(cuts))
    begin, end = max(spans, key=lambda span: span[1] - span[0])
    end = min(end, begin + MAX_PIECE)
    return len(target.text) - end, target.text[begin:end]
