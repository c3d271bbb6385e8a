"""Judging a password: how many guesses it withstands, and whether it holds personal data."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .guesses import SIGNS, power_of_ten, readings
from .spelling import plain
from .words import ranks

MIN_CHARACTERS = 12  # characters
MAX_CHARACTERS = 512  # characters; Synapse takes no more
MIN_POWER = 9.0  # as a power of ten of guesses
OWN_PART = 4  # characters from which a part of a name or address counts
# French words that organisations have in their names; they are nobody's personal data.
EVERYDAY = frozenset(
    [
        "avec",
        "dans",
        "elle",
        "entre",
        "leur",
        "leurs",
        "nous",
        "pour",
        "sans",
        "sous",
        "sont",
        "tous",
        "tout",
        "toute",
        "vers",
        "vous",
    ]
)
NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Reason(StrEnum):
    """Why a password is refused; the pages have a sentence for each."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    UNTYPED = "untyped"
    PERSONAL = "personal"
    EASY = "easy"


@dataclass(frozen=True)
class Verdict:
    """The judgement. `power`: the guesses needed, as a power of ten; 0 if they were not counted."""

    ok: bool
    power: float
    reason: Reason | None


def judge(password: str, *, about: Iterable[str], nearby: Iterable[str] = ()) -> Verdict:
    """Judge a password. The work is bounded, see `guesses`.

    `about`: name, address and organisation of the person; a password that contains one of them is
    refused. `nearby`: other words on the page, such as the service's name; they count as the first
    that a guesser tries.
    """
    if len(password) < MIN_CHARACTERS:
        return Verdict(ok=False, power=0.0, reason=Reason.TOO_SHORT)
    if len(password) > MAX_CHARACTERS:
        return Verdict(ok=False, power=0.0, reason=Reason.TOO_LONG)
    if NO_TEXT.search(password):
        return Verdict(ok=False, power=0.0, reason=Reason.UNTYPED)
    known = ranks()
    parts = {part for text in about for part in _parts(text)}
    if _has_any(password, {part for part in parts - EVERYDAY if len(part) >= OWN_PART}):
        return Verdict(ok=False, power=0.0, reason=Reason.PERSONAL)
    first = dict.fromkeys((*parts, *(part for text in nearby for part in _parts(text))), 1)
    power = power_of_ten(password, lambda word: first.get(word) or known.get(word))
    if power < MIN_POWER:
        return Verdict(ok=False, power=power, reason=Reason.EASY)
    return Verdict(ok=True, power=power, reason=None)


def _has_any(password: str, parts: Iterable[str]) -> bool:
    """Whether it contains one of the parts, also with accents, capitals, digits or signs in it."""
    ways = (*readings(password), *readings(SIGNS.sub("", password)))
    return any(part in way for part in parts for way in ways)


def _parts(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in plain(text)).split()
