"""Words: enumerations that are written out as their value (Python 3.10 has no StrEnum)."""

from enum import Enum


class Word(str, Enum):
    """A fixed word, equal to and printed as its text."""

    def __str__(self) -> str:
        return str(self.value)
