"""Reads the lists of words that people use in passwords. As a program, it writes them packed.

They come from known_words.txt, from pyspellchecker's French word frequencies, and from zxcvbn:
English words and leaked passwords; 200,000 words.
"""

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from babel import Locale
from spellchecker import SpellChecker
from zxcvbn import frequency_lists

from . import packed_words
from .spelling import MAX_WORD, plain

CALENDAR = 5  # guesses: seasons, months and weekdays add no strength
JOINTS = str.maketrans("", "", "'’ -")
SECTION = re.compile(r"\[(.+)\]\n([^\[]*)")


def read() -> dict[str, int]:
    """Each word, as `plain` writes it, with about how many guesses it takes."""
    found: dict[str, int] = {}
    for words in _lists():
        for rank, word in enumerate(words, 1):
            key = plain(word).translate(JOINTS)
            if 1 < len(key) <= MAX_WORD:
                found[key] = min(rank, found.get(key, rank))
    return found | dict.fromkeys(_calendar(), CALENDAR)


def written() -> bytes:
    """The words as `PackedWords.read` takes them."""
    return packed_words.write(read())


def _lists() -> Iterator[Sequence[str]]:
    french = SpellChecker(language="fr").word_frequency.dictionary
    yield sorted(french, key=lambda word: (-french[word], word))
    # guesses.py has emptied them.
    yield from importlib.reload(frequency_lists).FREQUENCY_LISTS.values()
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


if __name__ == "__main__":
    sys.stdout.buffer.write(written())
