"""Finds the IP address of a caller, behind trusted proxies too, and the network it belongs to.

This is the only place that parses addresses of callers: IPv4 and IPv6, with and without port, in
brackets, with a zone, in quotes, IPv4 inside IPv6, the words of RFC 7239 (Forwarded), Unix sockets.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Unix = Literal["unix"]
Proxy = Network | Unix
"""A network, or `unix` for callers through a Unix socket."""
Header = Literal["x-forwarded-for", "forwarded"]

UNIX: Unix = "unix"
MAX_HOP = 120  # characters; the longest IPv6 address with zone, port and quotes is shorter

PORT = r"(?::(?:\d{0,5}|_[\w.-]+))?"  # RFC 7239 also knows obfuscated ports
IPV4_AND_PORT = re.compile(rf"([0-9.]+){PORT}", re.ASCII)
BRACKETS = re.compile(rf"\[([^\[\]]+)\]{PORT}", re.ASCII)
# Eight groups and a port: some proxies omit the brackets, and with eight groups it is clear.
EIGHT_GROUPS_AND_PORT = re.compile(
    r"((?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}):\d{1,5}", re.ASCII | re.IGNORECASE
)
QUOTED_PAIR = re.compile(r"\\(.)")

# Headers with these names are added by proxies.
SIGN_OF_A_PROXY = re.compile(
    r"(.*-)?(via|proxy|forwarded)(-.*)?|x-forwarded.*|cdn-loop|x-proxy.*|cf-.*|front-end-https"
    r"|(.*-)?(client|real)-ip"
    r"|x-(remote|originating|source|cluster|original|envoy|azure|amzn?|arr|appengine|akamai)\b.*"
    r"|x-(host|scheme|url-scheme|rewrite-url|varnish)",
    re.IGNORECASE,
)
HOST_AND_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+?)\.?(?::\d{0,5})?", re.ASCII | re.IGNORECASE)

# IPv6 networks whose last 32 bits are an IPv4 address. Counted by /64, all of IPv4 would be one
# subscriber.
IPV4_INSIDE = (
    IPv6Network("::ffff:0:0/96"),  # mapped: how a socket for both sees IPv4
    IPv6Network("::ffff:0:0:0/96"),  # translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # translated, RFC 6052
    IPv6Network("::/96"),  # compatible, RFC 4291: no longer in use, but still written
)
NOT_IPV4 = (IPv6Address("::"), IPv6Address("::1"))

SOCKET_NOT_TRUSTED = "a Unix socket is the peer, but `unix` is not in GUICHET_TRUSTED_PROXIES"


@dataclass(frozen=True)
class Caller:
    """A caller. `name`: the IP address, or a name under which callers without one are counted."""

    name: str
    fault: str = ""
    """Why the address is not known or uncertain, for the log; contains nothing a stranger wrote."""


def identify_caller(
    peer: str,
    headers: Sequence[str],
    trusted: Sequence[Proxy],
    *,
    header: Header = "x-forwarded-for",
    has_other_header: bool = False,
) -> Caller:
    """The nearest machine that is not a trusted proxy.

    `peer`: the other end of the connection, empty or `unix:…` for a Unix socket. `headers`: the
    values of `header` in their order, nearest hop last; they count only as far as trusted proxies
    wrote them. `has_other_header`: the request has the header that is not believed.
    """
    here = _read(peer)
    if here is None or not _is_trusted(here, trusted):
        return _direct(here)
    hops = list(_nearest_first(headers, header))
    for hop in hops:
        found = _read(hop)
        if found is None or not _is_trusted(found, trusted):
            return _named_by(here, hop, found)
        here = found
    if hops:
        return Caller(
            str(here)
        )  # all hops are trusted: a proxy itself, or a machine in its network
    if headers or has_other_header:
        return _unread(here, f"did not say in {header} for whom it speaks")
    return Caller(str(here), f"the trusted proxy {here} named nobody: does it write {header}?")


@lru_cache(maxsize=4096)
def read_address(text: str) -> Address | None:
    """The address of a hop, as IPv4 if it is an IPv4 address in IPv6; None if there is none."""
    written = _unquoted(text)
    if written is None:
        return None
    for form in (BRACKETS, IPV4_AND_PORT, EIGHT_GROUPS_AND_PORT):
        if found := form.fullmatch(written):
            written = found[1]
            break
    address, _, zone = written.partition("%")
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    return None if zone and ip.version == 4 else _as_ipv4(ip)  # noqa: PLR2004  the protocol's own number


def is_trusted_peer(peer: str, trusted: Sequence[Proxy]) -> bool:
    """Whether the other end of the connection is a trusted proxy. `peer` as in identify_caller."""
    found = _read(peer)
    return found is not None and _is_trusted(found, trusted)


def read_network(text: str) -> Network:
    """Read a network in the settings, ignoring host bits. Raises ValueError."""
    network = ip_network(text, strict=False)
    around = next((each for each in IPV4_INSIDE[:-1] if _holds(each, network)), None)
    if around is None:
        return network
    inside = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
    return IPv4Network((inside, network.prefixlen - around.prefixlen))


def is_in(name: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address is in one of the networks; a caller without address is in none."""
    ip = read_address(name)
    return ip is not None and any(ip in network for network in networks)


def network_around(name: str, v4: int, v6: int) -> str:
    """The network around an address, with these prefix lengths, as text.

    The name of a caller without an address is returned unchanged.
    """
    ip = read_address(name)
    if ip is None:
        return name
    return str(ip_network((ip, v4 if ip.version == 4 else v6), strict=False))  # noqa: PLR2004  the protocol's own number


def subscriber_network(name: str) -> str:
    """The network of one subscriber: the IPv4 address itself, or the /64 of an IPv6 address."""
    return network_around(name, 32, 64)


def has_passed_a_proxy(header_names: Iterable[str]) -> bool:
    """Whether a request has any header that proxies add."""
    return any(SIGN_OF_A_PROXY.fullmatch(name) for name in header_names)


def read_host_name(written: str | None) -> str:
    """The host of a Host header in lower case, without port and brackets; empty if unreadable."""
    found = HOST_AND_PORT.fullmatch(written or "")
    return found[1].strip("[]").lower() if found else ""


def _unquoted(text: str) -> str | None:
    written = text.strip(" \t")
    if len(written) > MAX_HOP:
        return None
    if len(written) > 1 and written[0] == written[-1] == '"':
        return QUOTED_PAIR.sub(r"\1", written[1:-1])
    return written


def _as_ipv4(ip: Address) -> Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip not in NOT_IPV4 and any(ip in network for network in IPV4_INSIDE):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _holds(around: IPv6Network, network: Network) -> bool:
    return isinstance(network, IPv6Network) and network.subnet_of(around)


def _read(text: str) -> Address | Unix | None:
    """An address or a Unix socket (nginx writes `unix:`); None if it cannot be read."""
    is_socket = not text or text.lower().startswith(f"{UNIX}:")
    return UNIX if is_socket else read_address(text)


def _is_trusted(found: Address | Unix, trusted: Sequence[Proxy]) -> bool:
    if found == UNIX:
        return UNIX in trusted
    return any(found in proxy for proxy in trusted if proxy != UNIX)


def _direct(peer: Address | Unix | None) -> Caller:
    if peer is None:
        return Caller("unreadable", "the connection itself has an address that cannot be read")
    return Caller(str(peer), SOCKET_NOT_TRUSTED if peer == UNIX else "")


def _named_by(proxy: Address | Unix, hop: str, found: Address | Unix | None) -> Caller:
    if found is None:
        return _unread(proxy, f"wrote {_kind(hop)} where the caller's address should be")
    return _unread(proxy, "wrote a Unix socket") if found == UNIX else Caller(str(found))


def _unread(proxy: Address | Unix, fault: str) -> Caller:
    """All callers that this proxy does not name are counted together, apart from all others."""
    return Caller(f"unreadable via {proxy}", f"the proxy {proxy} {fault}")


def _nearest_first(headers: Sequence[str], header: Header) -> Iterator[str]:
    """The hops, last first.

    Commas separate them even inside quotes: no address contains one, and an unclosed quote sent by
    the caller must not hide the hop that a proxy appended.
    """
    for value in reversed(headers):
        for element in reversed(value.split(",")):
            if written := element.strip(" \t"):
                yield written if header == "x-forwarded-for" else _for(written)


def _for(element: str) -> str:
    """The `for` of an element of Forwarded (RFC 7239); `nobody` unless there is exactly one."""
    pairs = (pair.partition("=") for pair in element.split(";"))
    found = [value.strip(" \t") for name, _, value in pairs if name.strip(" \t").lower() == "for"]
    return found[0] if len(found) == 1 and found[0] else "nobody"


def _kind(hop: str) -> str:
    written = (_unquoted(hop) or "").lower()
    if written.partition(":")[0] == "unknown":
        return "`unknown`"
    return "a hidden name" if written.startswith("_") else "no address"
