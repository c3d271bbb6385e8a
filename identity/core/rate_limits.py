"""Rate limits by network and by account, counted in Redis for all nodes together.

Without Redis, or while it does not answer, each process counts alone.
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis, RedisError

from domain_rules.addresses import EmailAddress
from identity.networks import is_in, subscriber_network
from identity.problems import TooManyRequests
from identity.settings import Settings

from . import metrics
from .breaker import Breaker
from .distinct_counts import DistinctCounter, LocalDistinctCounter, RedisDistinctCounter
from .waiting import about_to_wait

log = logging.getLogger(__name__)
T = TypeVar("T")

ADDRESSES = RateLimitItemPerHour(30)  # from one /32 or /64
ADDRESSES_SHARED = RateLimitItemPerHour(2000)  # from a network where thousands share one address
TAGS = RateLimitItemPerDay(10)  # spellings of one mailbox, from one /32 or /64, shared or not
SIGN_INS = RateLimitItemPerHour(
    300
)  # of Matrix users, from one /32 or /64: each one asks a homeserver
SIGN_INS_SHARED = RateLimitItemPerHour(20_000)
KEY_REQUESTS = RateLimitItemPerHour(
    120
)  # for which a homeserver is asked for its keys: anybody can name one in a header
KEY_REQUESTS_SHARED = RateLimitItemPerHour(2000)
PROVIDER_SIGN_INS = RateLimitItemPerHour(60)  # of operators, each a row and a call to the provider
PROVIDER_SIGN_INS_SHARED = RateLimitItemPerHour(1000)
PASSKEY_SIGN_INS = RateLimitItemPerHour(120)  # begun by anybody, each a row
PASSKEY_SIGN_INS_SHARED = RateLimitItemPerHour(2000)
LOOKUPS = 20_000  # different addresses looked up by one account in a day
NEWS = RateLimitItemPerHour(1)  # for one message in the log
REDIS_TIMEOUT = 0.3  # seconds
LOOK_AGAIN = 10.0  # seconds before one request tries Redis again
SCANNED = 1000  # keys that Redis looks at before it answers


@dataclass(frozen=True)
class Counters:
    """The counters, in Redis or in this process."""

    limiter: SlidingWindowCounterRateLimiter
    distinct: DistinctCounter

    def hit(self, limit: RateLimitItem, *key: str) -> None:
        """Count one hit. Raises TooManyRequests."""
        if not self.limiter.hit(limit, *key):
            reset = self.limiter.get_window_stats(limit, *key).reset_time
            raise TooManyRequests(max(1, ceil(reset - time.time())))


class RateLimits:
    """The rate limits of this deployment.

    All `spend_…` raise TooManyRequests when a limit is reached.
    """

    def __init__(self, settings: Settings, *, redis_timeout: float = REDIS_TIMEOUT) -> None:
        self._on = settings.limits == "on"
        self._shared_networks = settings.shared_networks
        self._here = Counters(
            SlidingWindowCounterRateLimiter(MemoryStorage()), LocalDistinctCounter()
        )
        self._common = _common(settings, redis_timeout)
        self._breaker = Breaker(LOOK_AGAIN)
        self._url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self._timeouts = {"socket_connect_timeout": redis_timeout, "socket_timeout": redis_timeout}

    @property
    def degraded(self) -> bool:
        """Whether Redis does not answer and this process counts alone."""
        return not self._breaker.is_closed

    def spend_network(self, client_ip: str) -> None:
        """Count one more address typed from this network."""
        self._spend_from(client_ip, "addresses", ADDRESSES, of_shared=ADDRESSES_SHARED)

    def spend_tag(self, client_ip: str, address: EmailAddress) -> None:
        """Count one more address with a tag (`ana+x@…`), or another spelling of its mailbox.

        Mails to one mailbox wait for each other, and one network must not fill that queue alone.
        """
        mailbox = address.mailbox_key()
        if self._on and mailbox != address.canonical:
            self._spend(TAGS, "tags", subscriber_network(client_ip), _tag_digest(mailbox))

    def spend_sign_in(self, client_ip: str) -> None:
        """Count one more OpenID token handed in from this network."""
        self._spend_from(client_ip, "sign-ins", SIGN_INS, of_shared=SIGN_INS_SHARED)

    def spend_key_request(self, client_ip: str) -> None:
        """Count one more request from this network that makes us ask a homeserver for its keys."""
        self._spend_from(client_ip, "keys", KEY_REQUESTS, of_shared=KEY_REQUESTS_SHARED)

    def spend_provider(self, client_ip: str) -> None:
        """Count one more operator of this network who is sent to the OpenID provider."""
        self._spend_from(
            client_ip,
            "provider",
            PROVIDER_SIGN_INS,
            of_shared=PROVIDER_SIGN_INS_SHARED,
        )

    def spend_passkey(self, client_ip: str) -> None:
        """Count one more browser of this network that begins to sign in with a passkey."""
        self._spend_from(client_ip, "passkeys", PASSKEY_SIGN_INS, of_shared=PASSKEY_SIGN_INS_SHARED)

    def spend_lookup(self, now: datetime, user_id: str, addresses: Collection[str]) -> None:
        """Count the addresses an account looks up. Those it has looked up today count once."""
        if not self._on or not addresses:
            return
        count = self._together(lambda store: store.distinct.add(now, user_id, addresses))
        if count > LOOKUPS:
            metrics.LIMITS.inc(limit="lookups")
            tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            raise TooManyRequests(ceil((tomorrow - now).total_seconds()))

    def forget_person(self, mailbox: str, user_ids: Collection[str]) -> bool:
        """Delete the counters whose names lead to an erased person.

        Returns False if Redis does not answer: then they end by themselves, within two days.
        Processes that count alone forget theirs as soon.
        """
        if self._url is None:
            return True
        patterns = [
            f"*{_tag_digest(mailbox)}*",
            *(f"guichet:distinct:*:{_literal(each)}" for each in user_ids),
        ]
        client: Redis = Redis.from_url(self._url, **self._timeouts)
        try:
            for pattern in patterns:
                for key in client.scan_iter(match=pattern, count=SCANNED):
                    client.delete(key)
        except RedisError:
            return False
        finally:
            client.close()
        return True

    def is_news(self, message: str) -> bool:
        """Whether this process has not logged this message within the last hour."""
        return self._here.limiter.hit(NEWS, "told", message)

    def _spend_from(
        self, client_ip: str, what: str, limit: RateLimitItem, *, of_shared: RateLimitItem
    ) -> None:
        if self._on:
            is_shared = is_in(client_ip, self._shared_networks)
            self._spend(of_shared if is_shared else limit, what, subscriber_network(client_ip))

    def _spend(self, limit: RateLimitItem, what: str, *key: str) -> None:
        try:
            self._together(lambda store: store.hit(limit, what, *key))
        except TooManyRequests:
            metrics.LIMITS.inc(limit=what)
            raise

    def _together(self, ask: Callable[[Counters], T]) -> T:
        """Count in Redis; in this process alone if there is none or it does not answer."""
        about_to_wait()  # what is counted must not be counted twice
        if self._common is not None and self._breaker.lets_pass():
            try:
                answer = ask(self._common)
            except TooManyRequests:
                self._breaker.worked()
                raise
            except Exception:
                # Whatever the Redis client raises: people must not wait for it.
                self._breaker.failed()
                metrics.LIMITS_STORE.set(0)
                log.warning("rate limits: the shared store is away, counting alone", exc_info=True)
            else:
                self._breaker.worked()
                metrics.LIMITS_STORE.set(1)
                return answer
        return ask(self._here)


def _tag_digest(mailbox: str) -> str:
    return hashlib.blake2b(mailbox.encode(), digest_size=16).hexdigest()


def _literal(text: str) -> str:
    """The text as a pattern of Redis that matches only itself."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)


def _common(settings: Settings, timeout: float) -> Counters | None:
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    storage: Storage = RedisStorage(url, socket_connect_timeout=timeout, socket_timeout=timeout)
    return Counters(
        SlidingWindowCounterRateLimiter(storage), RedisDistinctCounter(url, timeout=timeout)
    )
