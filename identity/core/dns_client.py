"""Asks the DNS: the resolvers of this machine, or the name servers of a zone themselves.

What comes back is evidence for operators, so nothing here raises for a domain that does not exist or
servers that do not answer: the answer says so. Name servers are named by whoever owns the domain;
those at addresses that are not public are not asked.
"""

import ipaddress
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdatatype import RdataType

from .dns_answers import DnsAnswer, Found, MailServer

QUERY_SECONDS: Final = 5.0
MAX_SERVERS: Final = 3  # of one zone
MAX_TEXTS: Final = 100  # records of an answer: large organisations have dozens at their domain
MAX_TEXT: Final = 300  # characters of a record
GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: an IPv4 address is its end


@dataclass
class Budget:
    """The time that several questions share, so that a job ends within its lease."""

    seconds: float
    _ends_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._ends_at = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds for the next question; at least a little, or nothing at all is asked."""
        return min(QUERY_SECONDS, self._ends_at - time.monotonic())


@dataclass(frozen=True)
class DnsClient:
    """`resolvers`: addresses, by default those of this machine. `port`: of resolvers and zones.

    `asks_private`: whether name servers at any address are asked, as in tests.
    """

    resolvers: tuple[str, ...] = ()
    port: int = 53
    asks_private: bool = False

    def mail_servers(self, domain: str, budget: Budget) -> tuple[Found, tuple[MailServer, ...]]:
        """The mail servers of a domain, the preferred ones first."""
        found, records = self._resolve(domain, dns.rdatatype.MX, budget)
        servers = [
            MailServer(each.preference, str(each.exchange).rstrip(".").lower()) for each in records
        ]
        return found, tuple(sorted(servers, key=lambda each: (each.preference, each.host)))

    def texts(self, name: str, budget: Budget) -> DnsAnswer:
        """The TXT records of a name, as the resolver has them."""
        found, records = self._resolve(name, dns.rdatatype.TXT, budget)
        return DnsAnswer(found, _texts(records))

    def texts_at_zone(self, name: str, budget: Budget) -> DnsAnswer:
        """The TXT records of a name as the servers of its zone give them, past every cache.

        The first server that answers with authority counts. A name that is too long is nowhere.
        """
        try:
            wanted = dns.name.from_text(name)
        except dns.exception.DNSException:
            return DnsAnswer(Found.NONE)
        query = dns.message.make_query(wanted, dns.rdatatype.TXT)
        for host, address in self._servers_of_zone(wanted, budget):
            if budget.left <= 0:
                break
            try:
                answer, _ = dns.query.udp_with_fallback(
                    query, address, timeout=budget.left, port=self.port, ignore_unexpected=True
                )
            except (dns.exception.DNSException, OSError, ValueError, EOFError):
                continue
            if not answer.flags & dns.flags.AA or answer.rcode() not in {
                dns.rcode.NOERROR,
                dns.rcode.NXDOMAIN,
            }:
                continue
            texts = _texts(
                [
                    record
                    for records in answer.answer
                    if records.rdtype == dns.rdatatype.TXT
                    for record in records
                ]
            )
            return DnsAnswer(Found.SOME if texts else Found.NONE, texts, host)
        return DnsAnswer(Found.NO_ANSWER)

    def _servers_of_zone(self, name: dns.name.Name, budget: Budget) -> Iterator[tuple[str, str]]:
        """Host name and address of the zone's servers, those that may be asked."""
        resolver = self._resolver()
        if resolver is None:
            return
        try:
            zone = dns.resolver.zone_for_name(
                name, resolver=resolver, lifetime=max(budget.left, 0.01)
            )
        except (dns.exception.DNSException, OSError, ValueError):
            return
        _, records = self._resolve(zone.to_text(), dns.rdatatype.NS, budget)
        for host in sorted(str(each.target) for each in records)[:MAX_SERVERS]:
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
                if budget.left <= 0:
                    return
                _, addresses = self._resolve(host, kind, budget)
                for each in addresses[:1]:
                    if self.asks_private or is_public(each.address):
                        yield host.rstrip("."), each.address

    def _resolve(self, name: str, kind: RdataType, budget: Budget) -> tuple[Found, Sequence[Any]]:
        resolver = self._resolver()
        if resolver is None or budget.left <= 0:
            return Found.NO_ANSWER, ()
        try:
            answer = resolver.resolve(
                dns.name.from_text(name),
                kind,
                lifetime=budget.left,
                raise_on_no_answer=False,
                search=False,
            )
        except dns.resolver.NXDOMAIN:
            return Found.NONE, ()
        except (dns.exception.DNSException, OSError, ValueError):
            return Found.NO_ANSWER, ()
        records = list(answer.rrset or ())[:MAX_TEXTS]
        return (Found.SOME if records else Found.NONE), records

    def _resolver(self) -> dns.resolver.Resolver | None:
        """None on a machine without resolvers."""
        if not self.resolvers:
            try:
                return dns.resolver.Resolver()
            except (dns.resolver.NoResolverConfiguration, OSError):
                return None
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = list(self.resolvers)
        resolver.port = self.port
        return resolver


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet: no private, local or multicast one.

    Those of tunnels, in which an IPv4 address stands, are not public either.
    """
    address = ipaddress.ip_address(text)
    if address in TRANSLATED:
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if isinstance(address, ipaddress.IPv6Address):
        is_tunnel = address.sixtofour is not None or address.teredo is not None
        return address.is_global and address in GLOBAL_UNICAST and not is_tunnel
    return address.is_global and not address.is_multicast


def _texts(records: Sequence[Any]) -> tuple[str, ...]:
    """TXT records as people read them: their parts in one, without control characters."""
    found = []
    for each in records[:MAX_TEXTS]:
        joined = b"".join(each.strings).decode("utf-8", "replace")
        found.append("".join(sign if sign.isprintable() else "·" for sign in joined)[:MAX_TEXT])
    return tuple(found)
