"""Limits by network and by account: shared by all nodes in Redis, or kept by this process when there is none or it is away."""

import logging
import time
from ipaddress import ip_address, ip_network
from math import ceil

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

from identity.problems import TooManyRequests
from identity.settings import Settings

log = logging.getLogger(__name__)

ADDRESSES = RateLimitItemPerHour(30)  # from one /32 or /64
ADDRESSES_SHARED = RateLimitItemPerHour(2000)  # from a network where thousands share one address
SIGN_INS = RateLimitItemPerHour(300)  # of Matrix users, from one /32 or /64: each asks a homeserver
SIGN_INS_SHARED = RateLimitItemPerHour(20_000)
LOOKUPS = RateLimitItemPerDay(20_000)  # addresses looked up by one account
REDIS_TIMEOUT = 0.3  # seconds
LOOK_AGAIN = 5.0  # seconds before an absent Redis is asked again


class Limits:
    """Spends from the budget of whoever asks. A full budget raises TooManyRequests with the time left."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.limits == "on"
        self._shared_networks = settings.shared_networks
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._common = self._open(settings)
        self._away_until = 0.0

    @property
    def degraded(self) -> bool:
        """Whether the shared store is away and this process counts alone."""
        return time.monotonic() < self._away_until

    def spend_network(self, client_ip: str) -> None:
        """One more address typed from this network. Raises TooManyRequests."""
        if self._on:
            shared = self._is_shared(client_ip)
            self._spend(ADDRESSES_SHARED if shared else ADDRESSES, "addresses", _key(client_ip))

    def spend_sign_in(self, client_ip: str) -> None:
        """One more OpenID token handed in from this network. Raises TooManyRequests."""
        if self._on:
            shared = self._is_shared(client_ip)
            self._spend(SIGN_INS_SHARED if shared else SIGN_INS, "sign-ins", _key(client_ip))

    def spend_lookup(self, user_id: str, addresses: int) -> None:
        """So many addresses looked up by this account. Raises TooManyRequests."""
        if self._on and addresses:
            self._spend(LOOKUPS, "lookups", user_id, cost=addresses)

    def _spend(self, limit: RateLimitItem, *key: str, cost: int = 1) -> None:
        if self._common is not None and not self.degraded:
            try:
                return self._hit(self._common, limit, *key, cost=cost)
            except TooManyRequests:
                raise
            except Exception:
                # Whatever the store's client raises, people must not wait for it.
                self._away_until = time.monotonic() + LOOK_AGAIN
                log.warning("rate limits: the shared store is away, counting alone", exc_info=True)
        return self._hit(self._local, limit, *key, cost=cost)

    @staticmethod
    def _hit(
        limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, *key: str, cost: int
    ) -> None:
        if not limiter.hit(limit, *key, cost=cost):
            reset = limiter.get_window_stats(limit, *key).reset_time
            raise TooManyRequests(max(1, ceil(reset - time.time())))

    @staticmethod
    def _open(settings: Settings) -> SlidingWindowCounterRateLimiter | None:
        if settings.redis_url is None:
            return None
        storage: Storage = RedisStorage(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=REDIS_TIMEOUT,
            socket_timeout=REDIS_TIMEOUT,
        )
        return SlidingWindowCounterRateLimiter(storage)

    def _is_shared(self, client_ip: str) -> bool:
        try:
            return any(ip_address(client_ip) in network for network in self._shared_networks)
        except ValueError:
            return False


def _key(client_ip: str) -> str:
    """One subscriber: an IPv4 address, or the /64 an IPv6 subscriber has to himself."""
    try:
        ip = ip_address(client_ip)
    except ValueError:
        return "unknown"
    return str(ip_network(f"{ip}/64", strict=False)) if ip.version == 6 else str(ip)  # noqa: PLR2004  the protocol's own number
