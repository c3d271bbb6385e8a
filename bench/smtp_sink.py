"""A relay that costs next to nothing: it takes every mail, counts it, and throws it away."""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.services.waiting import LOOPBACK

HELLO = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
END = b"\r\n.\r\n"


@dataclass(frozen=True)
class Sink:
    """A process that listens at `url`; `taken` mails so far."""

    url: str
    _count: Any

    @property
    def taken(self) -> int:
        return int(self._count.value)


class _Talk(asyncio.Protocol):
    def __init__(self, count: Any) -> None:
        self._count, self._waits, self._is_mail = count, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport
        transport.write(b"220 sink.example\r\n")

    def data_received(self, data: bytes) -> None:
        self._waits += data
        said = []
        while True:
            end = END if self._is_mail else b"\r\n"
            line, found, rest = self._waits.partition(end)
            if not found:
                break
            self._waits = rest
            if self._is_mail:
                self._is_mail, self._count.value = False, self._count.value + 1
                said.append(b"250 2.0.0 queued\r\n")
            else:
                said.append(self._answer(line[:4].upper()))
        self._out.write(b"".join(said))

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"DATA":
            self._is_mail = True
            return b"354 go ahead\r\n"
        return HELLO if verb == b"EHLO" else b"250 2.0.0 ok\r\n"


def _serve(listener: socket.socket, count: Any) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Talk(count), sock=listener)
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink in a process of its own, which ends with the block."""
    count = multiprocessing.Value("q", 0, lock=False)
    with socket.create_server((LOOPBACK, 0), backlog=100) as listener:
        port = listener.getsockname()[1]
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(listener, count), daemon=True
        )
        process.start()
    try:
        yield Sink(f"smtp://{LOOPBACK}:{port}?tls=none", count)
    finally:
        process.kill()
        process.join()
