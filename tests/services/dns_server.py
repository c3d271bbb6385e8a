"""A small DNS server on loopback, over UDP and TCP: it has some zones, and speaks with authority."""

import socketserver
import struct
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from identity.core.dns_client import DnsClient

LOOPBACK = "127.0.0.1"


class DnsServer:
    """`zones`: their names. `put` replaces the records of a name; a silent server answers nothing."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.zones: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.is_silent = False
        self.has_authority = True
        self._udp, self._tcp = _bind()
        self._udp.owner = self._tcp.owner = self
        self.port = self._udp.server_address[1]
        self._threads = [
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            for each in (self._udp, self._tcp)
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        for each in (self._udp, self._tcp):
            each.shutdown()
            each.server_close()
        for thread in self._threads:
            thread.join()

    @property
    def client(self) -> DnsClient:
        """Asks this server, as a resolver and as the server of every zone."""
        return DnsClient((LOOPBACK,), self.port, asks_private=True)

    def add_zone(self, name: str) -> None:
        """A zone of this server, with its SOA and NS records."""
        self.zones.add(name)
        host = f"ns1.{name}."
        self.put(name, "SOA", f"{host} hostmaster.{name}. 1 3600 600 86400 60")
        self.put(name, "NS", host)
        self.put(host.rstrip("."), "A", LOOPBACK)

    def put(self, name: str, kind: str, *texts: str) -> None:
        """Give a name these records of a kind, and no others."""
        self.records[name.lower(), kind] = list(texts)

    def answer(self, raw: bytes, *, over_udp: bool) -> bytes | None:
        query = dns.message.from_wire(raw)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.is_silent:
            return None
        reply = dns.message.make_response(query)
        if self.has_authority:
            reply.flags |= dns.flags.AA
        texts = self.records.get((name, kind), [])
        if texts:
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, texts))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        wire = reply.to_wire(max_size=65535)
        if over_udp and len(wire) > 512:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.AA | dns.flags.TC
            return short.to_wire()
        return wire


class _Udp(socketserver.ThreadingUDPServer):
    owner: DnsServer


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    owner: DnsServer


class _OverUdp(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        raw, channel = self.request
        if answer := self.server.owner.answer(raw, over_udp=True):
            channel.sendto(answer, self.client_address)


class _OverTcp(socketserver.BaseRequestHandler):
    server: _Tcp

    def handle(self) -> None:
        head = self.request.recv(2)
        if len(head) == 2:
            (length,) = struct.unpack("!H", head)
            raw = b""
            while len(raw) < length and (part := self.request.recv(length - len(raw))):
                raw += part
            if answer := self.server.owner.answer(raw, over_udp=False):
                self.request.sendall(struct.pack("!H", len(answer)) + answer)


def _bind() -> tuple[_Udp, _Tcp]:
    """Both at one port, which is free for both."""
    while True:
        udp = _Udp((LOOPBACK, 0), _OverUdp)
        try:
            return udp, _Tcp((LOOPBACK, udp.server_address[1]), _OverTcp)
        except OSError:
            udp.server_close()


@pytest.fixture
def dns_server():
    server = DnsServer()
    server.begin()
    yield server
    server.end()
