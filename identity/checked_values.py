"""Checks of single settings. What they refuse would be dangerous, so it stops every start.

All raise ValueError with a sentence and an example, never with a secret.
"""

import re
import secrets
from collections.abc import Sequence
from ipaddress import IPv4Network, collapse_addresses
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain_rules.mailboxes import read_mailbox

from .database_urls import without_pooler
from .hosts import is_host, split_url
from .networks import UNIX, Network, Proxy

MIN_KEY = 32  # characters: base64 or hexadecimal, at least 128 bits
MIN_LETTERS = 8  # different ones in a key
DRIVERS = {"postgresql", "postgresql+psycopg", "sqlite", "sqlite+pysqlite"}
BROKERS = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps"}
LIMIT_STORES = {"redis", "rediss", "unix", "redis+unix"}
SOCKETS = {"unix", "redis+unix", "redis+socket"}
SERVER_NAME = re.compile(r"([0-9A-Za-z.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
MAX_PORT = 65535
WIDEST_V4, WIDEST_V6 = 8, 16  # prefix lengths of the widest networks that one organisation has
NOT_IN_A_LINK = set('\\"<>`{}|^')  # browsers read them otherwise than we (RFC 3986, section 2)
# What libpq takes in a URL (its names are checked before anybody connects), and psycopg.
FOR_POSTGRESQL = {
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "application_name"),
    *("fallback_application_name", "service", "options", "connect_timeout", "client_encoding"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "target_session_attrs", "load_balance_hosts", "require_auth"),
    *("channel_binding", "gssencmode", "krbsrvname", "gsslib", "gssdelegation", "requirepeer"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslcrldir"),
    *("sslcompression", "sslsni", "sslcertmode", "sslnegotiation", "ssl_min_protocol_version"),
    *("ssl_max_protocol_version", "prepare_threshold"),
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Of TLS, for `rediss`; and what the clients of the broker (kombu) and of the limits (redis) take.
# No time-outs: those are ours, since nobody may wait longer.
FOR_TLS = {
    *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
    *("ssl_keyfile_password", "ssl_check_hostname", "ssl_min_version"),
}
FOR_BROKER = {"virtual_host"}
FOR_LIMITS = {
    *("db", "username", "password", "client_name", "protocol", "health_check_interval"),
    *("max_connections", "retry_on_timeout", "socket_keepalive"),
}
NUMBERS = {"db", "virtual_host", "protocol", "health_check_interval", "max_connections"}


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
    if len(set(key)) < MIN_LETTERS or _repeats(key):
        return "repeats a few characters; take random ones"
    return None


def _repeats(key: str) -> bool:
    """Whether a shorter text stands there again and again."""
    return any(
        (key[:size] * len(key))[: len(key)] == key
        for size in range(1, min(MIN_KEY, len(key) // 2) + 1)
    )


def check_server_name(value: str) -> str:
    """A server name of Matrix (specification, appendices, "Server name")."""
    example = "for example guichet.example.org, or guichet.example.org:8448"
    if "://" in value or "/" in value:
        raise ValueError(f"must be a name and no URL, {example}")
    found = SERVER_NAME.fullmatch(value)
    host = found[1].strip("[]") if found else ""
    is_address = bool(found) and value.startswith("[")
    if not is_host(host) or host.endswith(".") or is_address != (":" in host):
        raise ValueError(f"must be a host name in ASCII, with a port or without, {example}")
    port_of(urlsplit(f"//{value}"))
    return value


def check_web_url(value: str, *, schemes: Sequence[str] = ("https", "http")) -> str:
    """A URL that people follow: a web page, never a script."""
    example = "for example https://example.org/help"
    if not value.isprintable() or " " in value:
        raise ValueError(f"must hold no blanks, {example}")
    if NOT_IN_A_LINK & set(value):
        raise ValueError(f"must hold none of {' '.join(sorted(NOT_IN_A_LINK))}, {example}")
    parts = split_url(value, example)
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}:" for scheme in schemes)
        raise ValueError(f"must begin with {wanted}, {example}")
    if parts.scheme == "mailto":
        _check_addresses(parts.path)
        return value
    if not parts.hostname:
        raise ValueError(f"names no host, {example}")
    if "@" in parts.netloc:
        raise ValueError(f"must hold no user or password, {example}")
    port_of(parts)
    return value


def _check_addresses(path: str) -> None:
    for address in unquote(path).split(","):
        try:
            read_mailbox(address)
        except ValueError:
            raise ValueError("must name an address, for example mailto:help@example.org") from None


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
    url, _ = without_pooler(value.get_secret_value())
    if url.get_backend_name() == "postgresql":
        _check_postgresql(url, example)
    return value


def _check_postgresql(url: URL, example: str) -> None:
    """What libpq would refuse at the first connection."""
    if unknown := sorted(url.query.keys() - FOR_POSTGRESQL):
        raise ValueError(f"PostgreSQL knows no option {_named(unknown)}, {example}")
    if url.host and not is_host(url.host) and not all(map(is_host, url.host.split(","))):
        raise ValueError(f"its host is no name and no address of a machine, {example}")
    if url.port is not None and not 0 < url.port <= MAX_PORT:
        raise ValueError(f"the port must be a number from 1 to {MAX_PORT}, {example}")
    if url.query.get("sslmode", SSL_MODES[0]) not in SSL_MODES:
        raise ValueError(f"sslmode must be {', '.join(SSL_MODES[:-1])} or {SSL_MODES[-1]}")


def _named(options: Sequence[str]) -> str:
    """Options by name; one that is none may be a part of a password with a question mark."""
    are_names = all(re.fullmatch(r"[a-z_]{1,40}", each) for each in options)
    return ", ".join(options) if are_names else "of that name"


def check_broker_url(value: SecretStr | None) -> SecretStr | None:
    return _check_redis_url(value, BROKERS, FOR_BROKER, "redis://127.0.0.1:6379/0")


def check_redis_url(value: SecretStr | None) -> SecretStr | None:
    return _check_redis_url(value, LIMIT_STORES, FOR_LIMITS, "redis://127.0.0.1:6379/1")


def _check_redis_url(
    value: SecretStr | None, schemes: set[str], options: set[str], example: str
) -> SecretStr | None:
    if value is None:
        return None
    parts = split_url(value.get_secret_value(), f"for example {example}")
    if parts.scheme not in schemes:
        raise ValueError(
            f"must begin with {', '.join(sorted(schemes))} and ://, for example {example}"
        )
    if parts.scheme in SOCKETS:
        if not parts.path.strip("/"):
            raise ValueError(f"names no socket, for example {parts.scheme}:///run/redis/redis.sock")
        _check_redis_options(parts, options, example)
        return value
    if not parts.hostname:
        raise ValueError(f"names no host, for example {example}")
    port_of(parts)
    number = parts.path.strip("/")
    if parts.scheme.startswith("redis") and number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"its path must be the number of a database, for example {example}")
    if parts.scheme.startswith("redis"):
        _check_redis_options(parts, options, example)
    return value


def _check_redis_options(parts: SplitResult, known: set[str], example: str) -> None:
    """What Redis' client would refuse, by a TypeError at the first connection."""
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = known | FOR_TLS if parts.scheme == "rediss" else known
    if unknown := sorted(options.keys() - known):
        raise ValueError(f"no option {_named(unknown)} is taken there, for example {example}")
    for name in sorted(NUMBERS & options.keys()):
        number = options[name].strip("/")
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"its {name} must be a number, for example {example}")


def check_trusted(proxies: Sequence[Proxy]) -> Sequence[Proxy]:
    """Who is trusted says who a caller is. That must not be everybody, nor a large part of them."""
    networks = [proxy for proxy in proxies if proxy != UNIX]
    for wide in widest(networks):
        raise ValueError(
            f"{wide} would let everybody there say who they are; "
            "name your proxies, for example 127.0.0.1/32,10.0.0.5/32"
        )
    if are_many(networks):
        raise ValueError(
            "these networks together would let a large part of the internet say who they are; "
            "name your proxies, for example 127.0.0.1/32,10.0.0.5/32"
        )
    return proxies


def are_many(networks: Sequence[Network]) -> bool:
    """Whether these networks together hold more than one of the widest that may be named."""
    sizes = {4: 0, 6: 0}
    for network in _joined(networks):
        if not network.is_private:
            sizes[network.version] += network.num_addresses
    return sizes[4] > 1 << (32 - WIDEST_V4) or sizes[6] > 1 << (128 - WIDEST_V6)


def widest(networks: Sequence[Network]) -> list[Network]:
    """Those of these networks, joined where they touch, that no one organisation has."""
    return [
        network
        for network in _joined(networks)
        if network.prefixlen < (WIDEST_V4 if isinstance(network, IPv4Network) else WIDEST_V6)
        and not network.is_private
    ]


def _joined(networks: Sequence[Network]) -> list[Network]:
    joined: list[Network] = []
    for version in (4, 6):
        joined += collapse_addresses(  # type: ignore[type-var]  # one version each
            [network for network in networks if network.version == version]
        )
    return joined


def check_name(value: str) -> str:
    """A name that people read, also in subjects of mails."""
    if not value.isprintable():
        raise ValueError(
            "must hold no line breaks or other control characters, for example Guichet"
        )
    return value


def check_algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if "sha256" not in value:
        raise ValueError("must name sha256, for example sha256 or sha256,none")
    return value
