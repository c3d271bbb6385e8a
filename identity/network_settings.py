"""Types of settings for networks, proxies, hosts and listeners."""

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from .hosts import is_host
from .networks import UNIX, Network, Proxy, read_host_name, read_network

SOCKET = f"{UNIX}:"  # prefix of the path in GUICHET_INTERNAL_LISTEN, as for gunicorn
MAX_SOCKET_PATH = 107  # bytes, the limit of Linux


def split_commas(value: object) -> object:
    """Split a list at commas, without blanks around its parts."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def check_network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return read_network(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is no network, for example 10.0.0.0/8 or 2001:db8::/32"
        ) from None


def check_proxy(value: object) -> object:
    """A network, or the word `unix` for callers through a Unix socket."""
    return value if value == UNIX else check_network(value)


def check_listen(value: str) -> str:
    """`host:port`, `unix:/path`, or empty to switch the listener off."""
    if value.startswith(SOCKET):
        if not 0 < len(os.fsencode(value.removeprefix(SOCKET))) <= MAX_SOCKET_PATH:
            raise ValueError(f"the path of a Unix socket has 1 to {MAX_SOCKET_PATH} bytes")
        return value
    try:
        parts = urlsplit(f"//{value}")
        is_complete = bool(parts.hostname and parts.port) and not ({*"@/?#"} & {*value})
        is_complete = is_complete and (is_host(parts.hostname or "") or _is_any(parts.hostname))
    except ValueError:
        is_complete = False
    if value and not is_complete:
        raise ValueError(
            "must look like 127.0.0.1:8091 or unix:/run/guichet/internal.sock, or be empty"
        )
    return value


def _is_any(host: str | None) -> bool:
    """Whether this means all addresses of the machine."""
    return host in {"0.0.0.0", "::"}  # noqa: S104  compared, not bound


def check_port(value: str) -> str:
    """`host:port`, or empty to switch the listener off."""
    if value.startswith(SOCKET):
        raise ValueError("must look like 127.0.0.1:8092, or be empty")
    return check_listen(value)


def check_host(value: str) -> str:
    """A value of the Host header, without its port."""
    if not read_host_name(value):
        raise ValueError("must be host names or addresses, for example guichet.internal,10.0.0.5")
    return read_host_name(value)


Networks = Annotated[
    tuple[Annotated[Network, BeforeValidator(check_network)], ...],
    NoDecode,
    BeforeValidator(split_commas),
]
Proxies = Annotated[
    tuple[Annotated[Proxy, BeforeValidator(check_proxy)], ...],
    NoDecode,
    BeforeValidator(split_commas),
]
Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(check_host)], ...],
    NoDecode,
    BeforeValidator(split_commas),
]
