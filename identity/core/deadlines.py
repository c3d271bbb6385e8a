"""Total time limits for network calls, which hold whatever the other end sends or holds back.

The time-outs of sockets and libraries start anew with every byte, every address of a name and
every answer that announces another. A `Watchdog` shuts the connection down when the time is over.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]
"""As `socket.getaddrinfo` returns them."""


class Deadline:
    """A moment, so many seconds from now, by which something has to be over."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left(self, at_most: float = math.inf) -> float:
        """Seconds until the deadline, at most `at_most`. Raises TimeoutError when none are left."""
        seconds = min(at_most, self._ends_at - time.monotonic())
        if seconds <= 0:
            raise TimeoutError("it took too long")
        return seconds


class Watchdog:
    """Shuts the connections of one client down at a deadline: a blocked read or write ends then.

    `with watchdog.until(deadline): …` around each exchange. A cut looks like the end of an answer,
    or like a connection that was lost: `has_cut` says that it was one. Between exchanges
    connections may stay open; `close` forgets them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: list[socket.socket] = []
        self._deadline: Deadline | None = None
        self._ends_at: float | None = None  # None: no exchange is under way
        self._wakes_at = math.inf
        # One for all exchanges: a relay gets hundreds of mails a second.
        self._thread: threading.Thread | None = None
        self.has_cut = False

    def until(self, deadline: Deadline) -> Self:
        """Watch from now on, until the `with` block ends or `stop`. Raises TimeoutError if late."""
        self.stop()
        ends_at = time.monotonic() + deadline.left()
        with self._changed:
            self._deadline, self._ends_at, self.has_cut = deadline, ends_at, False
            if self._thread is None or not self._thread.is_alive():  # not after a fork
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            elif ends_at < self._wakes_at:
                self._changed.notify()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """The exchange is over: its deadline does not count any more."""
        with self._changed:
            self._ends_at = None

    def left(self, at_most: float = math.inf) -> float:
        """As `Deadline.left`, of the present exchange."""
        if self._deadline is None:
            raise TimeoutError("no time was given")
        return self._deadline.left(at_most)

    def connect(self, host: str, port: int, *, each: float) -> socket.socket:
        """Connect to the first address that answers; `each`: seconds for one address.

        Raises OSError: `gaierror` if the name is unknown, TimeoutError if the time is over.
        """
        error: OSError | None = None
        for family, kind, protocol, _, address in resolve(host, port, self.left()):
            seconds = self.left(each)
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(seconds)
                connection.connect(address)
                self.watch(connection)
            except OSError as failed:
                connection.close()
                error = failed
            else:
                return connection
        raise error or OSError("the name has no address")

    def watch(self, connection: socket.socket) -> None:
        """Watch a connection, before TLS wraps it.

        A duplicate is kept: the number of a socket that its owner closed may be another's already.
        """
        with self._changed:
            if self.has_cut:
                raise TimeoutError("it took too long")
            self._watched.append(connection.dup())

    def close(self) -> None:
        """Stop watching, and forget the connections."""
        with self._changed:
            self._ends_at = None
            for each in self._watched:
                each.close()
            self._watched.clear()
            self._changed.notify()

    def _run(self) -> None:
        """Sleep until the deadline, also while an exchange ends and the next one begins."""
        with self._changed:
            while self._ends_at is not None:
                left = self._ends_at - time.monotonic()
                if left <= 0:
                    self._cut()
                    break
                self._wakes_at = self._ends_at
                self._changed.wait(left)
            self._thread = None

    def _cut(self) -> None:
        self._ends_at, self.has_cut = None, True
        for each in self._watched:
            with suppress(OSError):  # the other end may have closed it
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._watched.clear()


def cut_off(descriptor: int) -> None:
    """Shut a connection down that another thread reads: it then reads its end. It stays open."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


class _Resolver:
    """Asks for each name once at a time, in a thread: the system's resolver has no time limit.

    So a name server that is silent holds one thread for each name, until the system gives up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, int], Future[Addresses]] = {}

    def ask(self, host: str, port: int) -> Future[Addresses]:
        with self._lock:
            asked = self._asked.get((host, port))
            if asked is None:
                asked = self._asked[host, port] = Future()
                threading.Thread(target=self._run, args=(host, port, asked), daemon=True).start()
            return asked

    def _run(self, host: str, port: int, asked: Future[Addresses]) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            result: Addresses | Exception = error
        else:
            result = found
        with self._lock:
            del self._asked[host, port]
        if isinstance(result, Exception):
            asked.set_exception(result)
        else:
            asked.set_result(result)


_resolver = _Resolver()


def _begin_anew() -> None:
    global _resolver  # noqa: PLW0603  # threads of the parent do not exist in the child
    _resolver = _Resolver()


os.register_at_fork(after_in_child=_begin_anew)


def resolve(host: str, port: int, seconds: float) -> Addresses:
    """The addresses of a host name or of an address in writing, at most so many seconds later.

    Raises `socket.gaierror` if there are none, TimeoutError if the time is over.
    """
    with suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    try:
        return _resolver.ask(host, port).result(timeout=seconds)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from None
