"""Networks, proxies, hosts and listeners as settings write them."""

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from .networks import UNIX, Network, Proxy, host_name, read_network

SOCKET = f"{UNIX}:"  # before the path, in GUICHET_INTERNAL_LISTEN as for gunicorn
MAX_SOCKET_PATH = 107  # bytes: the system takes no longer one


def split_commas(value: object) -> object:
    """Lists are written with commas; blanks around them do not count."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def check_network(value: object) -> object:
    return read_network(value) if isinstance(value, str) else value


def check_proxy(value: object) -> object:
    """A network, or the word `unix` for whoever connects through a Unix socket."""
    return value if value == UNIX else check_network(value)


def check_listen(value: str) -> str:
    """host:port, unix:/path, or nothing: the listener is off."""
    if value.startswith(SOCKET):
        if not 0 < len(os.fsencode(value.removeprefix(SOCKET))) <= MAX_SOCKET_PATH:
            raise ValueError(f"the path of a Unix socket has 1 to {MAX_SOCKET_PATH} bytes")
        return value
    parts = urlsplit(f"//{value}")
    if value and (not parts.hostname or parts.port is None or parts.path):
        raise ValueError(
            "must look like 127.0.0.1:8091 or unix:/run/guichet/internal.sock, or be empty"
        )
    return value


def check_host(value: str) -> str:
    """A value of the Host header; its port does not count."""
    if not host_name(value):
        raise ValueError("must be host names or addresses, for example guichet.internal,10.0.0.5")
    return host_name(value)


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
