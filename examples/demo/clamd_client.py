"""Asks clamd about a file, piece by piece and within a time (clamd(8), INSTREAM). Knows nothing of Synapse."""

import re
import socket
import struct
import time
from typing import Final

PIECE: Final = 64 * 1024  # bytes in memory at once
LONGEST_ANSWER: Final = 1024  # bytes
CLEAN: Final = "stream: OK"
FOUND: Final = re.compile(r"stream: (\S+) FOUND")


class NotScanned(Exception):
    """clamd has not said whether the file is clean; the message says why."""


def scan(address: str, path: str, *, ends_at: float) -> str | None:
    """Hand the file at `path` to clamd; return the name of what it found, None for a clean file.

    `address`: the path of clamd's socket. `ends_at`, of the monotonic clock, is the end of every
    wait. Raises NotScanned if clamd is away, late, or says anything but yes or no.
    """
    try:
        with open(path, "rb") as file, socket.socket(socket.AF_UNIX) as connection:  # noqa: PTH123  a path as Synapse has it
            clamd = _Clamd(connection, ends_at)
            clamd.connect(address)
            clamd.send(b"zINSTREAM\0")
            while piece := file.read(PIECE):
                clamd.send(struct.pack("!L", len(piece)) + piece)
            clamd.send(struct.pack("!L", 0))
            answer = clamd.answer()
    except OSError as error:
        raise NotScanned(f"clamd was not asked to the end: {error}") from error
    if answer == CLEAN:
        return None
    if found := FOUND.fullmatch(answer):
        return found[1]
    raise NotScanned(f"clamd answers {answer!r}")


class _Clamd:
    """One connection, of which no step waits beyond the end. Methods raise OSError."""

    def __init__(self, connection: socket.socket, ends_at: float) -> None:
        self._socket, self._ends_at = connection, ends_at

    def connect(self, address: str) -> None:
        self._limit()
        self._socket.connect(address)

    def send(self, data: bytes) -> None:
        self._limit()
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            # clamd says why before it hangs up: the file is longer than its StreamMaxLength.
            raise NotScanned(f"clamd hangs up: {self.answer()!r}") from None

    def answer(self) -> str:
        """Up to the first zero byte, without it. Raises NotScanned for what is cut off before."""
        read = b""
        while b"\0" not in read and len(read) < LONGEST_ANSWER:
            self._limit()
            piece = self._socket.recv(LONGEST_ANSWER)
            if not piece:
                break
            read += piece
        text, end, _ = read.partition(b"\0")
        if not end:
            raise NotScanned(f"clamd's answer is cut off: {text[:100]!r}")
        return text.decode("utf-8", "replace")

    def _limit(self) -> None:
        remaining = self._ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(remaining)
