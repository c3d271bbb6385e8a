"""How many guesses a password takes: the cheapest way to compose it from what guessers try."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zxcvbn import frequency_lists, matching, scoring

from .keyboards import GRAPHS, interlaced
from .spelling import MAX_WORD, composed, plain

MAX_JUDGED = 64  # characters looked at: further ones only make a password harder
BRUTE = 1.0  # an unforeseen character, as a power of ten; zxcvbn counts the same
STREWN = 1.5  # each kind of sign put between letters, likewise: there are some 30
ODD_CAPITALS = 10  # guesses at most: capitals in odd places are decoration
RESPELLED = 2  # guesses: backwards, or with figures for letters
MIN_WHOLE = 4  # letters of a word that is more than a syllable
ANOTHER_WORD = 2  # guesses beside those of a whole word: which of several it is that comes next
YEAR = 5  # guesses: years are no strength
DATE = 36_500  # guesses: the days of a lifetime
DATE_YEARS = range(1900, 2040)  # of dates written in figures alone, else any eight figures are one
POSTCODE = 6_000  # guesses: there are about as many in France
MIN_DATE = 6  # characters
MIN_SEQUENCE = 3  # characters
WALK = 20  # guesses at most: the key where a walk on the keyboard begins
STEP = 2.5  # guesses at most: each further key of the walk
POSTCODES = re.compile(r"(?<![0-9])(?:0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}(?![0-9])")
# Backwards too, if no digit is beside it: in a long number, some digits always look so.
YEARS = re.compile(r"(?=((?:19|20)[0-9]{2}|(?<![0-9])[0-9]{2}(?:91|02)(?![0-9])))")
SIGNS = re.compile(r"[\W_]")
DOUBLED = re.compile(r"(.)\1+", re.DOTALL)
# What stands for a letter. Some stand for two: hence a second reading.
LEET = str.maketrans("0123456789@$€!|+({<£%", "oizeasgtbgaseiltccclx")
LEET_OTHERWISE = LEET | str.maketrans("167!|", "lblli")

# zxcvbn's lists are among ours, and nothing that is used here asks them: they take 12 MB.
frequency_lists.FREQUENCY_LISTS.clear()
matching.RANKED_DICTIONARIES.clear()

Rank = Callable[[str], int | None]
"""Word, as `words.plain` writes it → after how many guesses it is tried; None: not a word."""


@dataclass(frozen=True)
class Piece:
    """A part `text[start:end]`, and how many guesses it takes, as a power of ten."""

    start: int
    end: int
    cost: float


def readings(text: str) -> tuple[str, ...]:
    """The text as a guesser reads it, of the same length: plain, and with letters for digits."""
    small = plain(text)
    return tuple(dict.fromkeys((small, small.translate(LEET), small.translate(LEET_OTHERWISE))))


def power_of_ten(password: str, rank_of: Rank) -> float:
    """About how many guesses the password takes, as a power of ten.

    The work is bounded, whatever the password.
    """
    text = composed(password)[: 4 * MAX_JUDGED]
    # Signs between letters, and doubled letters, do not hide a word from a guesser.
    bare = SIGNS.sub("", text)
    strewn = STREWN * len(set(SIGNS.findall(text)))
    ways = {DOUBLED.sub(r"\1", text): BRUTE, bare: strewn, text: 0.0}
    return min(_cheapest(way[:MAX_JUDGED], rank_of) + beside for way, beside in ways.items())


def _cheapest(text: str, rank_of: Rank) -> float:
    """The lowest sum of costs of pieces that make up the text."""
    ending: list[list[Piece]] = [[] for _ in range(len(text) + 1)]
    for piece in _pieces(text, rank_of):
        ending[piece.end].append(piece)
    best = [0.0]
    for end in range(1, len(text) + 1):
        best.append(
            min([best[end - 1] + BRUTE, *(best[each.start] + each.cost for each in ending[end])])
        )
    return best[-1]


def _pieces(text: str, rank_of: Rank) -> Iterator[Piece]:
    for found in YEARS.finditer(text):
        yield Piece(found.start(), found.start() + 4, math.log10(YEAR))
    for found in matching.date_match(text):
        is_likely = found["separator"] or found["year"] in DATE_YEARS
        if len(found["token"]) >= MIN_DATE and is_likely:
            yield _piece(found, DATE)
    for code in POSTCODES.finditer(text):
        yield Piece(*code.span(), math.log10(POSTCODE))
    for found in matching.sequence_match(text):
        if len(found["token"]) >= MIN_SEQUENCE:
            yield _piece(found, scoring.sequence_guesses(found))
    for found in matching.spatial_match(text, GRAPHS):
        most = WALK * STEP ** (len(found["token"]) - 1)
        yield _piece(found, min(most, scoring.spatial_guesses(found)))
    for start, end in interlaced(text):
        yield Piece(start, end, 2 * math.log10(WALK) + (end - start - 2) * math.log10(STEP))
    yield from _words(text, rank_of)
    yield from _repeats(text, rank_of)


def _piece(found: Mapping[str, Any], guesses: float) -> Piece:
    return Piece(found["i"], found["j"] + 1, math.log10(guesses))


def _words(text: str, rank_of: Rank) -> Iterator[Piece]:
    small, *leet = readings(text)
    yield from _known(text, small, rank_of)
    for reading in leet:
        yield from _known(text, reading, rank_of, respelled=True)
    for reading in (small, *leet):
        for piece in _known(text[::-1], reading[::-1], rank_of, respelled=True):
            yield Piece(len(text) - piece.end, len(text) - piece.start, piece.cost)


def _known(text: str, reading: str, rank_of: Rank, *, respelled: bool = False) -> Iterator[Piece]:
    """Words of the reading. `respelled`: only long ones, since short ones are found by chance."""
    least, factor = (MIN_WHOLE, RESPELLED) if respelled else (2, 1)
    for start in range(len(text)):
        for end in range(start + least, min(len(text), start + MAX_WORD) + 1):
            rank = rank_of(reading[start:end])
            if rank is not None and any(map(str.isalpha, text[start:end])):
                guesses = max(rank, 2) * factor * _capitals(text[start:end])
                another = ANOTHER_WORD if end - start >= MIN_WHOLE else 1
                yield Piece(start, end, math.log10(guesses * another))


def _capitals(token: str) -> int:
    return min(int(scoring.uppercase_variations({"token": token})), ODD_CAPITALS)


def _repeats(text: str, rank_of: Rank) -> Iterator[Piece]:
    """Repetitions: they cost as much as one occurrence, and the number of times."""
    covered: list[tuple[int, int]] = []
    for period in range(1, len(text) // 2 + 1):
        for start, end in _runs(text, period):
            if any(left <= start and end <= right for left, right in covered):
                continue  # by a shorter period already
            covered.append((start, end))
            once = _cheapest(text[start : start + period], rank_of)
            yield Piece(start, end, once + math.log10(-((start - end) // period)))


def _runs(text: str, period: int) -> Iterator[tuple[int, int]]:
    """The longest stretches in which every character is repeated after `period` characters."""
    start = 0
    for at in range(period, len(text) + 1):
        if at == len(text) or text[at] != text[at - period]:
            if at - start >= 2 * period:
                yield start, at
            start = at - period + 1
