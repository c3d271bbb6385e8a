"""The words people use in passwords, each with the number of guesses after which it is tried."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from babel import Locale
from spellchecker import SpellChecker
from zxcvbn.frequency_lists import FREQUENCY_LISTS

MAX_WORD = 28  # letters of a word
CALENDAR = 5  # guesses: seasons, months and weekdays add no strength
LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss"})
JOINTS = str.maketrans("", "", "'’ -")
SECTION = re.compile(r"\[(.+)\]\n([^\[]*)")


def composed(text: str) -> str:
    """The text in NFC, with ligatures written as two letters."""
    return unicodedata.normalize("NFC", text).translate(LIGATURES)


def plain(text: str) -> str:
    """Lower case without accents, of the same length: "Zoé" and "zoe" are the same guess."""
    if text.isascii():
        return text.lower()
    return "".join(_base(each) for each in composed(text))


@cache
def ranks() -> Mapping[str, int]:
    """Each known word, as `plain` writes it, with about how many guesses it takes.

    They come from known_words.txt, from pyspellchecker's French word frequencies, and from zxcvbn:
    English words and leaked passwords. 200,000 words, read once in each process.
    """
    found: dict[str, int] = {}
    for words in _lists():
        for rank, word in enumerate(words, 1):
            key = plain(word).translate(JOINTS)
            if 1 < len(key) <= MAX_WORD:
                found[key] = min(rank, found.get(key, rank))
    return found | dict.fromkeys(_calendar(), CALENDAR)


def _lists() -> Iterator[Sequence[str]]:
    french = SpellChecker(language="fr").word_frequency.dictionary
    yield sorted(french, key=lambda word: (-french[word], word))
    yield from FREQUENCY_LISTS.values()
    yield from _known().values()


def _calendar() -> Iterator[str]:
    yield from _known()["calendar"]
    for language in ("fr", "en"):
        locale = Locale(language)
        for names in (locale.months["format"]["wide"], locale.days["format"]["wide"]):
            yield from map(plain, names.values())


@cache
def _known() -> dict[str, list[str]]:
    text = (files(__package__) / "known_words.txt").read_text(encoding="utf-8")
    return {name: words.split() for name, words in SECTION.findall(text)}


def _base(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[0].casefold()
    return base if len(base) == 1 else letter
