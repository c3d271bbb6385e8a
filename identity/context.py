"""What a view may reach for: the wiring of its application, and who is calling."""

from ipaddress import ip_address
from typing import cast

from flask import current_app, request
from werkzeug.local import LocalProxy

from .settings import Network
from .wiring import Wiring

EXTENSION = "guichet"

wired = cast("Wiring", LocalProxy(lambda: current_app.extensions[EXTENSION]))


def client_ip() -> str:
    """The caller's address. `X-Forwarded-For` counts only as far as trusted proxies wrote it, last hop first."""
    hops = [request.remote_addr or ""]
    for header in reversed(request.headers.getlist("X-Forwarded-For")):
        hops += [hop.strip() for hop in reversed(header.split(","))]
    for hop in hops:
        if not is_in(hop, wired.settings.trusted_proxies):
            return hop if _is_address(hop) else hops[0]
    return hops[-1]


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an IP address, as text, is in one of the networks. IPv4 inside IPv6 counts as IPv4."""
    if not networks:
        return False
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return any(mapped in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
