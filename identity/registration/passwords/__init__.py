"""A password is judged by how long it would hold, and against the person's own data."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .guesses import SIGNS, power_of_ten, readings
from .words import plain, ranks

LEAST = 12  # characters
MAX_CHARACTERS = 512  # characters; Synapse takes no more
ENOUGH = 9.0  # as a power of ten of guesses
OWN_PART = 4  # characters from which a part of a name or address counts
# Nobody's own, though an organisation may have them in its name.
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
    """`power` is about how many guesses the password takes, as a power of ten; 0 where none was needed."""

    ok: bool
    power: float
    reason: Reason | None


def judge(password: str, *, about: Iterable[str], nearby: Iterable[str] = ()) -> Verdict:
    """Whether this password may guard the account of the person `about` (name, address, organisation).

    `nearby`: what else stands on the page they look at, such as the service's name; it makes a password
    easy to guess, where something of `about` is refused. The work is bounded (see `guesses`).
    """
    if len(password) < LEAST:
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
    if power < ENOUGH:
        return Verdict(ok=False, power=power, reason=Reason.EASY)
    return Verdict(ok=True, power=power, reason=None)


def _has_any(password: str, parts: Iterable[str]) -> bool:
    """Whether one of the parts is in it: accents, capitals, figures for letters and signs between hide nothing."""
    ways = (*readings(password), *readings(SIGNS.sub("", password)))
    return any(part in way for part in parts for way in ways)


def _parts(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in plain(text)).split()
