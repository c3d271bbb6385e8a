"""What counts as a reason: why an operator, or a program of theirs, does something."""

from typing import Final

LEAST: Final = 10  # characters; shorter is no reason, unless it is the number of a ticket


def is_reason(text: str) -> bool:
    """Whether this is a sentence, or the number of a ticket."""
    typed = " ".join(text.split())
    return len(typed) >= LEAST or any(letter.isdigit() for letter in typed)
