"""Serves a WSGI application by ASGI: whole requests only, so that slow clients occupy no thread.

The event loop reads the body of a request, within a time limit and a size limit. Then a thread of a
small pool calls the application, and its answer leaves whole. A client that sends slowly, or reads
slowly, costs a connection and some memory, never a thread.

What mostly answers from memory is called in the event loop itself, since going to a thread and back
costs more than such an answer. If it would wait, a thread begins anew (core/waiting.py).

Sources: PEP 3333 (WSGI), the ASGI specification 3.0 (HTTP), RFC 9110 and 9112 (HTTP).
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

from identity.core import metrics, waiting

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]

BODY_TIME = 20.0  # seconds in which a body must have arrived
QUEUE_TIME = 10.0  # seconds a request waits for a thread at most
SMALL = 65_536  # bytes of a body that every request may keep in memory
LARGE_BODIES = 33_554_432  # bytes that all larger bodies together may keep
RETRY_AFTER = "5"  # seconds
MAX_DIGITS = 18  # of a length

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A whole answer. `headers`: names and values as WSGI has them."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes = b""


class _RefusedError(Exception):
    """The request does not reach the application."""

    def __init__(self, status: HTTPStatus, **headers: str) -> None:
        super().__init__(status)
        self.answer = _plain(status, **headers)


@dataclass
class _Body:
    """What is read of a body. `length`: what the application is told (None: there is no body)."""

    data: bytearray = field(default_factory=bytearray)
    length: int | None = None


class Bridge:
    """An ASGI application that answers by a WSGI application.

    `threads`: how many requests are worked on at once. `max_body`: bytes; of a larger body nothing
    more is read, and the application, which is told its length, refuses it in its own words.
    `from_memory`: the paths that are tried in the event loop (GET without a body). `at_stop`: called
    when the process stops, after the last answer.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        max_body: int,
        from_memory: Collection[bytes] = (),
        at_stop: Callable[[], object] = lambda: None,
        body_time: float = BODY_TIME,
        queue_time: float = QUEUE_TIME,
        large_bodies: int = LARGE_BODIES,
    ) -> None:
        self._application = application
        self._max_body = max_body
        self._from_memory = frozenset(from_memory)
        self._at_stop = at_stop
        self._body_time = body_time
        self._queue_time = queue_time
        self._room = large_bodies
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or live as long as the process. No other kind of scope is known."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"only requests are answered, not {scope['type']}")
        body = _Body()
        try:
            answer = await self._answer(scope, receive, body)
        finally:
            self._room += _beyond_small(body)
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self._at_stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, body: _Body) -> Answer:
        try:
            await self._read(scope["headers"], receive, body)
        except _RefusedError as refused:
            metrics.HTTP_UNSERVED.inc(status=str(int(refused.answer.status)))
            return refused.answer
        is_small = body.length is None and scope["method"] == "GET"
        if (
            is_small
            and scope["raw_path"] in self._from_memory
            and (answer := self._try(scope, body))
        ):
            return answer
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._call, scope, body, time.monotonic())

    def _try(self, scope: Mapping[str, Any], body: _Body) -> Answer | None:
        """Call the application here, in the event loop. None if it would wait."""
        try:
            with waiting.nothing_waits():
                return self._call(scope, body, time.monotonic())
        except waiting.WouldWait:
            return None

    async def _read(self, headers: RawHeaders, receive: Receive, body: _Body) -> None:
        """Read the body, unless there is none or it is said to be too large."""
        names = [name for name, _ in headers]
        if names.count(b"host") > 1:  # RFC 9112, section 3.2
            raise _broken()
        is_chunked = b"transfer-encoding" in names
        if not is_chunked:
            body.length = _length(headers)
            if not body.length or body.length > self._max_body:
                return
        try:
            async with asyncio.timeout(self._body_time):
                await self._receive(receive, body)
        except TimeoutError:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, connection="close") from None
        if not is_chunked and len(body.data) != body.length:
            raise _broken()
        body.length = len(body.data)

    async def _receive(self, receive: Receive, body: _Body) -> None:
        more = True
        while more and len(body.data) <= self._max_body:
            event = await receive()
            if event["type"] != "http.request":  # gone, or what it sends is no chunk
                raise _broken()
            before = _beyond_small(body)
            body.data += event.get("body", b"")
            self._room -= _beyond_small(body) - before
            if self._room < 0:
                raise _RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE, retry_after=RETRY_AFTER, connection="close"
                )
            more = event.get("more_body", False)

    def _call(self, scope: Mapping[str, Any], body: _Body, since: float) -> Answer:
        """Call the application, in a thread of the pool."""
        if time.monotonic() - since > self._queue_time:
            metrics.HTTP_UNSERVED.inc(status=str(HTTPStatus.SERVICE_UNAVAILABLE.value))
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=RETRY_AFTER)
        try:
            return _call(self._application, _environ(scope, body))
        except Exception:
            log.exception("the application failed")
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _call(application: WSGIApplication, environ: dict[str, Any]) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    pieces: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _error: object = None
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return pieces.append

    given = application(environ, start_response)
    try:
        pieces.extend(given)
    finally:
        if hasattr(given, "close"):
            given.close()
    status, headers = started[-1]
    return Answer(int(status[:3]), headers, b"".join(pieces))


def _environ(scope: Mapping[str, Any], body: _Body) -> dict[str, Any]:
    """The environment of PEP 3333: texts stand for bytes, as Latin-1."""
    version = scope["http_version"]
    server, client = scope.get("server") or ("", ""), scope.get("client") or ("", "")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{version if '.' in version else f'{version}.0'}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],  # empty for a Unix socket
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body.data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_header_variables(scope["headers"]),
    }
    if body.length is not None:
        environ["CONTENT_LENGTH"] = str(body.length)
    return environ


def _header_variables(headers: RawHeaders) -> dict[str, str]:
    """Headers as variables. Of several with one name, the values are joined, as RFC 9110 allows.

    A name with an underscore is left out: `X_Forwarded_For` would become the same variable as
    `X-Forwarded-For`, past a proxy that only knows the latter.
    """
    variables: dict[str, str] = {}
    for raw_name, raw_value in headers:
        if b"_" in raw_name or raw_name in {b"content-length", b"transfer-encoding"}:
            continue
        name, value = (
            raw_name.decode("latin-1").upper().replace("-", "_"),
            raw_value.decode("latin-1"),
        )
        if name != "CONTENT_TYPE":
            name = f"HTTP_{name}"
        if name in variables:
            value = f"{variables[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{value}"
        variables[name] = value
    return variables


def _length(headers: RawHeaders) -> int | None:
    """The length that the headers tell. Raises _RefusedError if it is none, or if there are two."""
    given = {value for name, value in headers if name == b"content-length"}
    if not given:
        return None
    if len(given) > 1 or not (value := given.pop()).isdigit() or len(value) > MAX_DIGITS:
        raise _broken()
    return int(value)


def _broken() -> _RefusedError:
    return _RefusedError(HTTPStatus.BAD_REQUEST, connection="close")


def _beyond_small(body: _Body) -> int:
    return max(0, len(body.data) - SMALL)


def _plain(status: HTTPStatus, **headers: str) -> Answer:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    text = f"{status.phrase}\n".encode()
    return Answer(status, [("content-type", "text/plain; charset=utf-8"), *named], text)
