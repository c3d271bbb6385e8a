"""Asks a Redis whether it answers and takes what is written: one that is full or a replica does not."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis import Redis
from redis.exceptions import RedisError

PROBE = "guichet:probe"
KEPT = 60  # seconds
SOCKETS = {"redis+socket", "redis+unix"}  # as kombu and limits write what redis-py calls `unix`
OURS = {"redis", "rediss", "unix", *SOCKETS}


class NoRedis(Exception):
    """It does not answer, or takes nothing. The message is safe for the log."""


def is_redis(url: str) -> bool:
    """Whether a URL leads to a Redis that can be asked: not to a sentinel or another broker."""
    return urlsplit(url).scheme in OURS


def check_redis(url: str, seconds: float) -> None:
    """Write one key that ends by itself. Raises NoRedis, after `seconds` for each step at most."""
    connect: Callable[..., Any] = Redis.from_url
    try:
        with connect(_url(url), socket_timeout=seconds, socket_connect_timeout=seconds) as one:
            one.set(PROBE, "1", ex=KEPT)
    except (RedisError, OSError, ValueError, TypeError) as error:
        raise NoRedis(type(error).__name__) from None


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in SOCKETS:
        return url
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/")
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"unix://{user}{parts.path}?db={number}"
