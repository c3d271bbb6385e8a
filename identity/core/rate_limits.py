"""Limits by network and by account: shared by all nodes in Redis, or kept by this process when there is none or it is away."""

import hashlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

from domain_rules.addresses import EmailAddress
from identity.networks import is_in, subscriber
from identity.problems import TooManyRequests
from identity.settings import Settings

from .distinct_counts import Distinct, DistinctHere, DistinctInRedis

log = logging.getLogger(__name__)
T = TypeVar("T")

ADDRESSES = RateLimitItemPerHour(30)  # from one /32 or /64
ADDRESSES_SHARED = RateLimitItemPerHour(2000)  # from a network where thousands share one address
TAGS = RateLimitItemPerDay(10)  # of one mailbox, from one /32 or /64, shared or not
SIGN_INS = RateLimitItemPerHour(300)  # of Matrix users, from one /32 or /64: each asks a homeserver
SIGN_INS_SHARED = RateLimitItemPerHour(20_000)
LOOKUPS = 20_000  # different addresses looked up by one account in a day
NEWS = RateLimitItemPerHour(1)  # the same thing told in the log
REDIS_TIMEOUT = 0.3  # seconds
LOOK_AGAIN = 5.0  # seconds before an absent Redis is asked again


@dataclass(frozen=True)
class Store:
    """Where is counted."""

    limiter: SlidingWindowCounterRateLimiter
    distinct: Distinct

    def hit(self, limit: RateLimitItem, *key: str) -> None:
        if not self.limiter.hit(limit, *key):
            reset = self.limiter.get_window_stats(limit, *key).reset_time
            raise TooManyRequests(max(1, ceil(reset - time.time())))


class Limits:
    """Spends from the budget of whoever asks. A full budget raises TooManyRequests with the time left."""

    def __init__(self, settings: Settings, *, redis_timeout: float = REDIS_TIMEOUT) -> None:
        self._on = settings.limits == "on"
        self._shared_networks = settings.shared_networks
        self._here = Store(SlidingWindowCounterRateLimiter(MemoryStorage()), DistinctHere())
        self._common = _common(settings, redis_timeout)
        self._away_until = 0.0

    @property
    def degraded(self) -> bool:
        """Whether the shared store is away and this process counts alone."""
        return time.monotonic() < self._away_until

    def spend_network(self, client_ip: str) -> None:
        """One more address typed from this network. Raises TooManyRequests."""
        if self._on:
            shared = self._is_shared(client_ip)
            self._spend(
                ADDRESSES_SHARED if shared else ADDRESSES, "addresses", subscriber(client_ip)
            )

    def spend_tag(self, client_ip: str, address: EmailAddress) -> None:
        """One more address typed in this network that has a tag, or is another spelling of its mailbox.

        Their mails wait for one another, and nobody is to fill that queue alone. Raises TooManyRequests.
        """
        mailbox = address.mailbox_key()
        if self._on and mailbox != address.canonical:
            kept = hashlib.blake2b(mailbox.encode(), digest_size=16).hexdigest()
            self._spend(TAGS, "tags", subscriber(client_ip), kept)

    def spend_sign_in(self, client_ip: str) -> None:
        """One more OpenID token handed in from this network. Raises TooManyRequests."""
        if self._on:
            shared = self._is_shared(client_ip)
            self._spend(SIGN_INS_SHARED if shared else SIGN_INS, "sign-ins", subscriber(client_ip))

    def spend_lookup(self, now: datetime, user_id: str, addresses: Collection[str]) -> None:
        """This account looks these up; whom it has looked up today already costs nothing. Raises TooManyRequests."""
        if not self._on or not addresses:
            return
        count = self._together(lambda store: store.distinct.add(now, user_id, addresses))
        if count > LOOKUPS:
            tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            raise TooManyRequests(ceil((tomorrow - now).total_seconds()))

    def is_news(self, told: str) -> bool:
        """Whether this process has not told it within the hour: for the log."""
        return self._here.limiter.hit(NEWS, "told", told)

    def _spend(self, limit: RateLimitItem, *key: str) -> None:
        self._together(lambda store: store.hit(limit, *key))

    def _together(self, ask: Callable[[Store], T]) -> T:
        """With all nodes; by this process alone where there is no shared store, or while it is away."""
        if self._common is not None and not self.degraded:
            try:
                return ask(self._common)
            except TooManyRequests:
                raise
            except Exception:
                # Whatever the store's client raises, people must not wait for it.
                self._away_until = time.monotonic() + LOOK_AGAIN
                log.warning("rate limits: the shared store is away, counting alone", exc_info=True)
        return ask(self._here)

    def _is_shared(self, client_ip: str) -> bool:
        return is_in(client_ip, self._shared_networks)


def _common(settings: Settings, timeout: float) -> Store | None:
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    storage: Storage = RedisStorage(url, socket_connect_timeout=timeout, socket_timeout=timeout)
    return Store(SlidingWindowCounterRateLimiter(storage), DistinctInRedis(url, timeout=timeout))
