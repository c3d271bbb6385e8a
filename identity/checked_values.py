"""Checks of single settings. What they refuse would be dangerous, so it stops every start.

All raise ValueError with a sentence and an example, never with a secret.
"""

import re
import secrets
from collections.abc import Sequence
from ipaddress import IPv4Network, collapse_addresses
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .database_urls import without_pooler
from .networks import UNIX, Network, Proxy

MIN_KEY = 32  # characters: base64 or hexadecimal, at least 128 bits
MIN_LETTERS = 8  # different ones in a key
DRIVERS = {"postgresql", "postgresql+psycopg", "sqlite", "sqlite+pysqlite"}
BROKERS = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps"}
LIMIT_STORES = {"redis", "rediss", "unix", "redis+unix"}
SOCKETS = {"unix", "redis+unix", "redis+socket"}
SERVER_NAME = re.compile(
    r"(?:[0-9A-Za-z](?:[0-9A-Za-z.-]{0,228}[0-9A-Za-z])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
MAX_PORT = 65535


def new_secret() -> str:
    """Make a new key: 32 random bytes, in base64url."""
    return secrets.token_urlsafe(32)


def port_of(parts: SplitResult) -> int | None:
    """The port of a URL; None without one. Raises ValueError if it is none from 1 to 65535."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to {MAX_PORT}, for example :8090")
    return port


def check_one_line(value: object) -> object:
    """A setting goes over one line: `urlsplit` and others would drop a line end in silence."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and any(ord(letter) < ord(" ") or letter == "\x7f" for letter in text):
        raise ValueError("must hold no line breaks, tabs or other control characters")
    return value


def check_keys(keys: Sequence[SecretStr]) -> Sequence[SecretStr]:
    """Keys, oldest first. The last one makes what is new, so it must be a good one."""
    if not keys:
        return keys
    texts = [key.get_secret_value() for key in keys]
    if any(not text.isprintable() for text in texts):
        raise ValueError("a key goes over several lines: write them in one, with commas between")
    fault = fault_of_key(texts[-1])
    if fault:
        raise ValueError(f"the last key, which is in use, {fault}, for example {new_secret()}")
    return keys


def fault_of_key(key: str) -> str | None:
    """What is wrong with this key; None if it may be a random one."""
    if len(key) < MIN_KEY:
        return f"has {len(key)} characters; take at least {MIN_KEY} random ones"
    if len(set(key)) < MIN_LETTERS:
        return "repeats a few characters; take random ones"
    return None


def check_server_name(value: str) -> str:
    """A server name of Matrix (specification, appendices, "Server name")."""
    example = "for example guichet.example.org, or guichet.example.org:8448"
    if "://" in value or "/" in value:
        raise ValueError(f"must be a name and no URL, {example}")
    if not SERVER_NAME.fullmatch(value) or ".." in value:
        raise ValueError(f"must be a host name in ASCII, with a port or without, {example}")
    port_of(urlsplit(f"//{value}"))
    return value


def check_web_url(value: str, *, schemes: Sequence[str] = ("https", "http")) -> str:
    """A URL that people follow: a web page, never a script."""
    example = "for example https://example.org/help"
    if not value.isprintable() or " " in value:
        raise ValueError(f"must hold no blanks, {example}")
    parts = urlsplit(value)
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}:" for scheme in schemes)
        raise ValueError(f"must begin with {wanted}, {example}")
    if parts.scheme == "mailto":
        if "@" not in parts.path:
            raise ValueError("must name an address, for example mailto:help@example.org")
        return value
    if not parts.hostname:
        raise ValueError(f"names no host, {example}")
    port_of(parts)
    return value


def check_support_url(value: str) -> str:
    """A web page or `mailto:`."""
    return check_web_url(value, schemes=("https", "http", "mailto"))


def check_database_url(value: SecretStr | None) -> SecretStr | None:
    example = "for example postgresql+psycopg://guichet:password@host/guichet"
    if value is None:
        return None
    try:
        url = make_url(value.get_secret_value())
    except (ArgumentError, ValueError):
        raise ValueError(f"is no URL of a database, {example}") from None
    if url.drivername not in DRIVERS:
        # Not repeated as it is: without `://` the password may stand there.
        named = url.drivername if re.fullmatch(r"[a-z0-9+_]{1,40}", url.drivername) else "it"
        raise ValueError(f"{named} is no database that Guichet knows, {example}")
    without_pooler(value.get_secret_value())
    return value


def check_broker_url(value: SecretStr | None) -> SecretStr | None:
    return _check_redis_url(value, BROKERS, "redis://127.0.0.1:6379/0")


def check_redis_url(value: SecretStr | None) -> SecretStr | None:
    return _check_redis_url(value, LIMIT_STORES, "redis://127.0.0.1:6379/1")


def _check_redis_url(value: SecretStr | None, schemes: set[str], example: str) -> SecretStr | None:
    if value is None:
        return None
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in schemes:
        raise ValueError(
            f"must begin with {', '.join(sorted(schemes))} and ://, for example {example}"
        )
    if parts.scheme in SOCKETS:
        if not parts.path.strip("/"):
            raise ValueError(f"names no socket, for example {parts.scheme}:///run/redis/redis.sock")
        return value
    if not parts.hostname:
        raise ValueError(f"names no host, for example {example}")
    port_of(parts)
    number = parts.path.strip("/")
    if parts.scheme.startswith("redis") and number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"its path must be the number of a database, for example {example}")
    dict(parse_qsl(parts.query))
    return value


def check_trusted(proxies: Sequence[Proxy]) -> Sequence[Proxy]:
    """Who is trusted says who a caller is. That must not be everybody, nor a large part of them."""
    for wide in widest([proxy for proxy in proxies if proxy != UNIX]):
        raise ValueError(
            f"{wide} would let everybody there say who they are; "
            "name your proxies, for example 127.0.0.1/32,10.0.0.5/32"
        )
    return proxies


def widest(networks: Sequence[Network]) -> list[Network]:
    """Those of these networks, joined where they touch, that no one organisation has."""
    joined: list[Network] = []
    for version in (4, 6):
        joined += collapse_addresses(  # type: ignore[type-var]  # one version each
            [network for network in networks if network.version == version]
        )
    return [
        network
        for network in joined
        if network.prefixlen < (8 if isinstance(network, IPv4Network) else 16)
        and not network.is_private
    ]
