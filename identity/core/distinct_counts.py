"""Counts the different values each user has asked about today (UTC), in Redis or in this process.

The limit on lookups uses it: an account may look up so many different addresses a day.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from redis import Redis

MAX_HERE = 200_000  # values one process remembers; beyond, the earliest users are forgotten
KEPT = timedelta(days=2)


class DistinctCounter(Protocol):
    """Counts different values for each user, one day at a time."""

    def add(self, now: datetime, who: str, things: Collection[str]) -> int:
        """Add values; return how many different ones this user has had today, these included."""


class RedisDistinctCounter:
    """One HyperLogLog for each user and day: at most 12 KB, with an error of about 1 percent."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_connect_timeout=timeout, socket_timeout=timeout
        )

    def add(self, now: datetime, who: str, things: Collection[str]) -> int:
        """Raises whatever Redis's client raises."""
        key = f"guichet:distinct:{now.date().isoformat()}:{who}"
        # Not as one transaction: a count in between is no lower, and MULTI and EXEC cost as much.
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.pfadd(key, *map(_digest, things))
            pipeline.expire(key, KEPT)
            pipeline.pfcount(key)
            return int(pipeline.execute()[-1])


class LocalDistinctCounter:
    """Exact counts in the memory of this process."""

    def __init__(self) -> None:
        self._day = ""
        self._seen: dict[str, set[bytes]] = {}

    def add(self, now: datetime, who: str, things: Collection[str]) -> int:
        today = now.date().isoformat()
        if today != self._day:
            self._day, self._seen = today, {}
        seen = self._seen.setdefault(who, set())
        seen.update(map(_digest, things))
        while len(self._seen) > 1 and sum(map(len, self._seen.values())) > MAX_HERE:
            first = next(each for each in self._seen if each != who)
            del self._seen[first]
        return len(seen)


def _digest(thing: str) -> bytes:
    """A short hash, so that no value itself is stored. Lone surrogates are accepted."""
    return blake2b(thing.encode(errors="surrogatepass"), digest_size=8).digest()
