"""A server that accepts connections and then does its worst, until the other end has gone."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pytest

from .waiting import LOOPBACK

PAUSE = 0.05  # seconds between two pieces of what drips
CEASES = 120.0  # seconds after which it ends by itself, so that a test that hangs ends too


class HostilePeer:
    """`said` gives the pieces of what it says on each connection; what it hears is in `heard`.

    `says_first`: without having heard anything, as mail servers do. `reads`: whether it takes what
    it is sent.
    """

    def __init__(
        self,
        said: Callable[[], Iterable[bytes]],
        *,
        pause: float = PAUSE,
        says_first: bool = False,
        reads: bool = True,
    ) -> None:
        self._said, self._pause, self._says_first, self._reads = said, pause, says_first, reads
        self.heard: list[bytes] = []
        self.open: set[int] = set()  # numbers of connections that the other end holds
        self.connections = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self.open.add(self.connections)
                told = connection, self.connections
                threading.Thread(target=self._talk, args=told, daemon=True).start()

    def _talk(self, connection: socket.socket, number: int) -> None:
        ceases_at = time.monotonic() + CEASES
        with connection, suppress(OSError):
            connection.settimeout(CEASES)
            if self._reads and not self._says_first:
                self.heard.append(connection.recv(65536))
            for piece in self._said():
                connection.sendall(piece)
                if self._pause:
                    time.sleep(self._pause)
                if time.monotonic() > ceases_at:
                    break
            while self._reads and connection.recv(65536):
                pass
            if not self._reads:
                time.sleep(CEASES)
        self.open.discard(number)


class SilentPeer(HostilePeer):
    """Accepts connections and says nothing, until it `hangs_up`."""

    def __init__(self) -> None:
        self.hangs_up = threading.Event()
        super().__init__(self._nothing)

    def close(self) -> None:
        self.hangs_up.set()
        super().close()

    def _nothing(self) -> Iterator[bytes]:
        self.hangs_up.wait()
        raise ConnectionAbortedError
        yield b""  # what makes it an iterator


@pytest.fixture
def silent_peer() -> Iterator[SilentPeer]:
    peer = SilentPeer()
    yield peer
    peer.close()
