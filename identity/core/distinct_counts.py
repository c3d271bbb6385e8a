"""How many different things somebody has asked about today, by UTC: counted by all nodes in Redis, or by this process."""

from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from redis import Redis

MAX_HERE = 200_000  # things one process remembers; then who came first is forgotten
KEPT = timedelta(days=2)


class Distinct(Protocol):
    """Counts things by who asked about them, a day at a time."""

    def add(self, now: datetime, who: str, things: Collection[str]) -> int:
        """How many different ones it has been today, these included."""


class DistinctInRedis:
    """A HyperLogLog for each of them: 12 KB at most whatever the number, and right to one in a hundred."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_connect_timeout=timeout, socket_timeout=timeout
        )

    def add(self, now: datetime, who: str, things: Collection[str]) -> int:
        """Raises whatever Redis's client raises."""
        key = f"guichet:distinct:{now.date().isoformat()}:{who}"
        with self._redis.pipeline() as pipeline:
            pipeline.pfadd(key, *map(_digest, things))
            pipeline.expire(key, KEPT)
            pipeline.pfcount(key)
            return int(pipeline.execute()[-1])


class DistinctHere:
    """Exact, in memory."""

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
    """Short, and nothing that was asked about stands anywhere. A lone surrogate is text here too."""
    return blake2b(thing.encode(errors="surrogatepass"), digest_size=8).digest()
