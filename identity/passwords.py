"""A password is judged by how long it would hold, and against the person's own data."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from zxcvbn import zxcvbn

LEAST = 12  # characters
MOST = 512  # characters; Synapse takes no more
JUDGED = 72  # characters the estimator looks at: its time grows fast with the length
ENOUGH = 3  # of 4: about 10^8 to 10^10 guesses
OWN_PART = 4  # characters from which a part of a name or address counts


class Reason(StrEnum):
    """Why a password is refused; the pages have a sentence for each."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    PERSONAL = "personal"
    EASY = "easy"


@dataclass(frozen=True)
class Verdict:
    """`score` is 0 (guessed at once) to 4 (holds)."""

    ok: bool
    score: int
    reason: Reason | None


def judge(password: str, *, about: Iterable[str]) -> Verdict:
    """Whether this password may guard the account of the person `about` (name, address, organisation)."""
    if len(password) < LEAST:
        return Verdict(ok=False, score=0, reason=Reason.TOO_SHORT)
    if len(password) > MOST:
        return Verdict(ok=False, score=0, reason=Reason.TOO_LONG)
    own = sorted({part for text in about for part in _parts(text)})
    plain = _plain(password)
    if any(part in plain for part in own):
        return Verdict(ok=False, score=1, reason=Reason.PERSONAL)
    score = int(zxcvbn(password[:JUDGED], user_inputs=own)["score"])
    if score < ENOUGH:
        return Verdict(ok=False, score=score, reason=Reason.EASY)
    return Verdict(ok=True, score=score, reason=None)


def _plain(text: str) -> str:
    # Without accents and case: "Zoé" and "zoe" are the same guess.
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _parts(text: str) -> list[str]:
    words = "".join(c if c.isalnum() else " " for c in _plain(text)).split()
    return [word for word in words if len(word) >= OWN_PART]
