"""The words people use in passwords, each with the number of guesses after which it is tried."""

import os
import subprocess
import sys
import unicodedata
from functools import cache

from .packed_words import PackedWords

MAX_WORD = 28  # letters of a word
LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss"})


def composed(text: str) -> str:
    """The text in NFC, with ligatures written as two letters."""
    return unicodedata.normalize("NFC", text).translate(LIGATURES)


def plain(text: str) -> str:
    """Lower case without accents, of the same length: "Zoé" and "zoe" are the same guess."""
    if text.isascii():
        return text.lower()
    return "".join(_base(each) for each in composed(text))


@cache
def ranks() -> PackedWords:
    """Each known word, as `plain` writes it, with about how many guesses it takes.

    Read once in each process. A process of its own makes them of their lists: that takes seconds,
    which the threads of this one would share, and tens of megabytes, which this one would keep.
    """
    made = subprocess.run(  # noqa: S603  a program of ours
        [sys.executable, "-m", f"{__package__}.word_lists"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return PackedWords.read(made.stdout)


def _base(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[0].casefold()
    return base if len(base) == 1 else letter
