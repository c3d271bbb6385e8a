"""The homeservers' credentials that this process has checked lately, for when the database is away.

While the database answers, every request is checked there, and a credential that was retired counts
no more at once. Without it, one that was good `TRUSTED_FOR` ago at most still counts.
"""

import hashlib
import time
from collections.abc import Callable

TRUSTED_FOR = 600.0  # seconds since the database last confirmed it


class KnownCredentials:
    """Hashes of good credentials; there are few for each homeserver."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[bytes, tuple[str, float]] = {}

    def record(self, token: str, homeserver: str | None) -> None:
        """Remember what the database said of a token. None: it is not good, or no longer."""
        if homeserver is None:
            self._seen.pop(_hash(token), None)
        else:
            self._seen[_hash(token)] = homeserver, self._clock()

    def find(self, token: str) -> str | None:
        """The homeserver of a token that was good lately, or None."""
        homeserver, seen_at = self._seen.get(_hash(token), (None, 0.0))
        return homeserver if self._clock() - seen_at <= TRUSTED_FOR else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
