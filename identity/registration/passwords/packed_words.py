"""Some hundred thousand words with a number each, in a tenth of the memory of a dictionary."""

import marshal
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

PLACES: Final = 2**21  # of the marks: ten times as many as there are words

Packed = dict[int, tuple[str, bytes]]


class PackedWords:
    """Words of one length stand behind one another, in their order, and so do their numbers.

    Most of what is asked is no word. A mark for each word, at a place that its hash gives, tells
    that at once.
    """

    def __init__(self, packed: Packed) -> None:
        self._words = {length: words for length, (words, _) in packed.items()}
        self._numbers = {length: array("I", numbers) for length, (_, numbers) in packed.items()}
        self._marks = bytearray(PLACES)
        for length, words in self._words.items():
            for start in range(0, len(words), length):
                self._marks[hash(words[start : start + length]) % PLACES] = 1

    @classmethod
    def read(cls, written: bytes) -> "PackedWords":
        """What `write` wrote, with the same version of Python."""
        return cls(marshal.loads(written))  # noqa: S302  a process of ours wrote it

    def get(self, word: str) -> int | None:
        """The number of a word; None for what is none of them."""
        if not self._marks[hash(word) % PLACES]:
            return None
        length = len(word)
        words, numbers = self._words.get(length, ""), self._numbers.get(length, ())
        place = bisect_left(
            range(len(numbers)), word, key=lambda at: words[at * length : (at + 1) * length]
        )
        is_one = words[place * length : (place + 1) * length] == word
        return numbers[place] if is_one and place < len(numbers) else None

    def __len__(self) -> int:
        return sum(map(len, self._numbers.values()))


def write(words: Mapping[str, int]) -> bytes:
    """The words and their numbers, packed. None of them is empty."""
    of_length: dict[int, list[str]] = {}
    for word in sorted(words):
        of_length.setdefault(len(word), []).append(word)
    packed: Packed = {
        length: ("".join(found), array("I", [words[word] for word in found]).tobytes())
        for length, found in of_length.items()
    }
    return marshal.dumps(packed)
