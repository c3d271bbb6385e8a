"""Listeners of Guichet as operators start them, and clients that send a byte a second."""

import contextlib
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.services.certificates import Authority
from tests.services.children import Child
from tests.services.processes import Processes
from tests.services.waiting import LOOPBACK, free_port, wait_for

__all__ = ["Listener", "SlowClient", "listeners"]

BODY = b'{"medium": "email"}'


@dataclass
class Listener:
    """Where a process listens. `posts_to`: a path that needs more in its body than BODY has."""

    name: str
    child: Child
    address: tuple[str, int] | str
    posts_to: str
    tls: ssl.SSLContext | None = None
    took: list[float] = field(default_factory=list)
    """Seconds of each honest request."""

    def connect(self) -> socket.socket:
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        plain = socket.socket(family)
        plain.settimeout(60)
        try:
            plain.connect(self.address)
            return self.tls.wrap_socket(plain, server_hostname="localhost") if self.tls else plain
        except OSError:
            plain.close()
            raise

    def ask(self) -> bytes:
        """An honest request; gives the status."""
        begun = time.monotonic()
        with self.connect() as talk:
            talk.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = talk.makefile("rb").readline().split()[1]
        self.took.append(time.monotonic() - begun)
        return status

    def is_open(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def head(self, length: int, *more: str) -> bytes:
        """The head of a POST."""
        lines = (
            f"POST {self.posts_to} HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            *more,
        )
        return "\r\n".join((*lines, "", "")).encode()

    def stop_with_a_request_in_flight(self) -> tuple[dict[str, str], int]:
        """SIGTERM while half a request is there; gives the answer to it, and how the process ended."""
        with self.connect() as talk:
            talk.sendall(self.head(len(BODY), "Expect: 100-continue"))
            reader = talk.makefile("rb")
            assert reader.readline().split()[1] == b"100"  # the body is waited for
            reader.readline()
            self.child.send(signal.SIGTERM)
            wait_for(lambda: not self.is_open(), what=f"{self.name} takes no new connection")
            talk.sendall(BODY)
            answer = reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ")
        return json.loads(answer.partition(b"\r\n\r\n")[2]), self.child.process.wait(60)


class SlowClient:
    """Sends headers, or a body, a byte at a time; or says nothing at all."""

    def __init__(self, listener: Listener, kind: str) -> None:
        self.kind, self.answer, self.is_closed = kind, b"", False
        if kind == "silent":  # before TLS, too
            self._talk = replace(listener, tls=None).connect()
        else:
            self._talk = listener.connect()
        if kind == "header":
            self._talk.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        elif kind == "body":
            self._talk.sendall(listener.head(1_000))
        self._talk.setblocking(False)

    def go_on(self) -> None:
        """One byte more, and a look whether the server has closed the connection."""
        if self.is_closed:
            return
        if self.kind != "silent":
            with contextlib.suppress(OSError):  # closed by now: the answer may still be there
                self._talk.send(b"a")
        try:
            while got := self._talk.recv(1_000):
                self.answer += got
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        self.is_closed = True
        self._talk.close()


@pytest.fixture(scope="module")
def listeners(tmp_path_factory, authority: Authority) -> Iterator[dict[str, Listener]]:
    """`guichet serve` with TLS and its internal listener, and what two units of deploy/ start."""
    folder = tmp_path_factory.mktemp("listeners")
    processes = Processes(folder)
    with contextlib.closing(_Ended(processes)):
        yield {each.name: each for each in _started(processes, folder, authority)}


@dataclass
class _Ended:
    processes: Processes

    def close(self) -> None:
        self.processes.end_all()


def _started(processes: Processes, folder: Path, authority: Authority) -> Iterator[Listener]:
    site, internal, unit = free_port(), free_port(), free_port()
    socket_path = str(folder / "internal.sock")
    certificate = authority.issue()
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    serve = processes.start(
        *("guichet", "serve", "--port", str(site)),
        *("--tls-certificate", str(certificate.certificate), "--tls-key", str(certificate.key)),
        env={"GUICHET_INTERNAL_LISTEN": f"{LOOPBACK}:{internal}"},
    )
    serve.wait_for_log("Sign-up", within=180)  # it has made the database as well
    own = {"GUICHET_INTERNAL_LISTEN": f"unix:{socket_path}"}
    web = processes.start(
        *("guichet", "web", "--listen", f"{LOOPBACK}:{unit}", "--workers", "2"), env={}
    )
    unit_internal = processes.start("guichet", "web", "--internal", "--workers", "1", env=own)
    register, bind = "/_matrix/identity/v2/account/register", "/_matrix/identity/internal/bind"
    for listener in (
        Listener("serve, TLS", serve, (LOOPBACK, site), register, trusting),
        Listener("serve, internal", serve, (LOOPBACK, internal), bind),
        Listener("web", web, (LOOPBACK, unit), register),
        Listener("web, Unix socket", unit_internal, socket_path, bind),
    ):
        listener.child.wait_until(listener.is_open, what=f"{listener.name} listens")
        yield listener
