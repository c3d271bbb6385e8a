"""A WSGI application behind ASGI: it gets whole requests only, and slow clients occupy no thread."""

import asyncio
import threading
from typing import Any

import pytest

from identity.core.waiting import about_to_wait
from identity.web.asgi import SMALL, Bridge

MAX_BODY = 100_000


class Recorder:
    """A WSGI application that notes what it was asked, and answers with the body it was sent."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.closed = 0

    def __call__(self, environ, start_response):
        self.asked.append(environ)
        self.body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Name", "é")])
        recorder = self

        class Pieces:
            def __iter__(self):
                return iter([recorder.body[:1], recorder.body[1:]])

            def close(self):
                recorder.closed += 1

        return Pieces()


class Client:
    """Sends the events of one request, and keeps what is sent back."""

    def __init__(self, *pieces: bytes, ends: str = "whole", **scope: Any) -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "raw_path": b"/start",
            "query_string": b"",
            "headers": [(b"host", b"guichet.example")],
            "client": ("192.0.2.7", "4711"),
            "server": ("127.0.0.1", "8000"),
        } | scope
        more = [*(ends != "whole" for _ in pieces[-1:])]
        self.events = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        if more == [False]:
            self.events[-1]["more_body"] = False
        if ends == "gone":
            self.events.append({"type": "http.disconnect"})
        self.sent: list[dict[str, Any]] = []
        self.received = 0
        self.is_silent = asyncio.Event()

    async def receive(self):
        if self.received == len(self.events):
            self.is_silent.set()
            await asyncio.Event().wait()  # a client that says nothing more
        self.received += 1
        return self.events[self.received - 1]

    async def send(self, event):
        self.sent.append(event)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def answer(self) -> bytes:
        return self.sent[1]["body"]


def lengthy(length: object) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"guichet.example"), (b"content-length", str(length).encode())]


CHUNKED = [(b"host", b"guichet.example"), (b"transfer-encoding", b"chunked")]


def ask(app, client: Client, **options: Any) -> Client:
    bridge = Bridge(app, **{"threads": 1, "max_body": MAX_BODY, **options})
    asyncio.run(bridge(client.scope, client.receive, client.send))
    return client


def variables(**scope: Any) -> dict[str, Any]:
    app = Recorder()
    ask(app, Client(**{"method": "GET", **scope}))
    return app.asked[0]


def test_a_request_and_its_answer_pass_whole():
    app = Recorder()
    client = ask(app, Client(b"a=", b"1", headers=lengthy(3)))
    assert (client.status, client.answer) == (200, b"a=1")
    assert client.headers == {b"content-type": b"text/plain", b"x-name": "é".encode("latin-1")}
    assert app.asked[0]["CONTENT_LENGTH"] == "3"
    assert app.closed == 1


def test_a_chunked_body_gets_its_length():
    app = Recorder()
    ask(app, Client(b"a=", b"1", headers=CHUNKED))
    assert (app.body, app.asked[0]["CONTENT_LENGTH"]) == (b"a=1", "3")
    assert "HTTP_TRANSFER_ENCODING" not in app.asked[0]


def test_a_request_without_a_body_waits_for_none():
    app = Recorder()
    client = ask(app, Client(method="GET"))
    assert (client.status, client.received) == (200, 0)
    assert "CONTENT_LENGTH" not in app.asked[0]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a%20b", "/a b"),
        (b"/%C3%A9", "/é".encode().decode("latin-1")),
        (b"/%ff%2f%252f", "/\xff/%2f"),
        (b"//v/x", "//v/x"),
        (b"/a%", "/a%"),
    ],
)
def test_the_path_is_decoded_once_as_bytes(raw, path):
    assert variables(raw_path=raw)["PATH_INFO"] == path


def test_what_wsgi_calls_the_parts_of_a_request():
    asked = variables(query_string=b"a=%C3%A9", http_version="1", scheme="https")
    assert asked["QUERY_STRING"] == "a=%C3%A9"
    assert asked["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert asked["wsgi.url_scheme"] == "https"
    assert asked["REMOTE_ADDR"] == "192.0.2.7"
    assert (asked["SERVER_NAME"], asked["SERVER_PORT"]) == ("127.0.0.1", "8000")


@pytest.mark.parametrize("client", [None, ("", "0")])
def test_a_caller_through_a_unix_socket_has_no_address(client):
    assert variables(client=client)["REMOTE_ADDR"] == ""


def test_headers_become_variables():
    asked = variables(
        headers=[
            (b"host", b"guichet.example"),
            (b"content-type", b"application/json"),
            (b"x-forwarded-for", b"192.0.2.1"),
            (b"x-forwarded-for", b"192.0.2.2"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"user-agent", "é".encode("latin-1")),
        ]
    )
    assert asked["HTTP_HOST"] == "guichet.example"
    assert asked["CONTENT_TYPE"] == "application/json"
    assert asked["HTTP_X_FORWARDED_FOR"] == "192.0.2.1,192.0.2.2"
    assert asked["HTTP_COOKIE"] == "a=1; b=2"
    assert asked["HTTP_USER_AGENT"] == "é"


def test_a_name_with_an_underscore_does_not_pass_for_another_one():
    asked = variables(headers=[(b"x_forwarded_for", b"127.0.0.1"), (b"content_length", b"7")])
    assert not [name for name in asked if "FORWARDED" in name or "CONTENT" in name]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a.example"), (b"host", b"b.example")],
        [*lengthy(3), (b"content-length", b"4")],
        lengthy("+3"),
        lengthy("3x"),
        lengthy("9" * 19),
    ],
)
def test_what_two_programs_could_read_differently_is_refused(headers):
    app = Recorder()
    client = ask(app, Client(b"abc", headers=headers))
    assert (client.status, app.asked) == (400, [])
    assert client.headers[b"connection"] == b"close"


@pytest.mark.parametrize("headers", [lengthy(10), CHUNKED])
def test_a_body_that_does_not_come_in_time_reaches_nobody(headers):
    app = Recorder()
    client = ask(app, Client(b"a", ends="silent", headers=headers), body_time=0.05)
    assert (client.status, app.asked) == (408, [])
    assert client.headers[b"connection"] == b"close"


@pytest.mark.parametrize("headers", [lengthy(10), CHUNKED])
def test_a_body_that_breaks_off_reaches_nobody(headers):
    app = Recorder()
    client = ask(app, Client(b"a", ends="gone", headers=headers))
    assert (client.status, app.asked) == (400, [])
    assert client.headers[b"connection"] == b"close"


def test_a_body_shorter_than_told_reaches_nobody():
    app = Recorder()
    client = ask(app, Client(b"a", headers=lengthy(10)))
    assert (client.status, app.asked) == (400, [])


def test_a_body_told_to_be_too_large_is_not_read_and_the_application_refuses_it():
    app = Recorder()
    client = ask(app, Client(b"a", headers=lengthy(MAX_BODY + 1)))
    assert client.received == 0
    assert (app.asked[0]["CONTENT_LENGTH"], app.body) == (str(MAX_BODY + 1), b"")


def test_a_body_without_a_length_is_read_no_further_than_is_too_large():
    app = Recorder()
    client = ask(app, Client(*[b"x" * 60_000] * 3, ends="silent", headers=CHUNKED))
    assert client.received == 2
    assert int(app.asked[0]["CONTENT_LENGTH"]) > MAX_BODY


def test_large_bodies_together_have_a_limit_and_small_ones_pass():
    large = SMALL + 10_000
    app = Recorder()
    bridge = Bridge(app, threads=1, max_body=MAX_BODY, large_bodies=15_000)

    async def together() -> tuple[Client, Client, Client, Client]:
        slow = Client(b"x" * large, ends="silent", headers=lengthy(large + 1))
        second = Client(b"x" * large, headers=lengthy(large))
        small = Client(b"x" * SMALL, headers=lengthy(SMALL))
        later = Client(b"x" * large, headers=lengthy(large))
        waiting = asyncio.create_task(bridge(slow.scope, slow.receive, slow.send))
        await slow.is_silent.wait()
        for client in (second, small):
            await bridge(client.scope, client.receive, client.send)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await bridge(later.scope, later.receive, later.send)
        return slow, second, small, later

    slow, second, small, later = asyncio.run(together())
    assert slow.sent == []
    assert (second.status, second.headers[b"retry-after"]) == (503, b"5")
    assert (small.status, later.status) == (200, 200)


def test_a_request_that_waited_too_long_for_a_thread_is_told_to_come_again():
    started, released = threading.Event(), threading.Event()
    recorder = Recorder()

    def app(environ, start_response):
        started.set()
        released.wait(60)
        return recorder(environ, start_response)

    bridge = Bridge(app, threads=1, max_body=MAX_BODY)

    async def together() -> tuple[Client, Client]:
        first, second = Client(method="GET"), Client(method="GET")
        one = asyncio.create_task(bridge(first.scope, first.receive, first.send))
        await asyncio.to_thread(started.wait, 60)
        bridge._queue_time = 0.0  # from now on
        two = asyncio.create_task(bridge(second.scope, second.receive, second.send))
        await asyncio.sleep(0.01)
        released.set()
        await asyncio.gather(one, two)
        return first, second

    first, second = asyncio.run(together())
    assert first.status == 200
    assert (second.status, second.headers[b"retry-after"]) == (503, b"5")
    assert len(recorder.asked) == 1


def test_an_application_that_fails_answers_500_and_is_told_of_in_the_log(caplog):
    def app(environ, start_response):
        raise RuntimeError("broken")

    assert ask(app, Client(method="GET")).status == 500
    assert "the application failed" in caplog.text


def test_an_application_may_write_before_it_returns_and_start_anew():
    def app(environ, start_response):
        start_response("200 OK", [])
        start_response("503 Service Unavailable", [("Retry-After", "9")], (None, None, None))(b"a")
        return [b"b"]

    client = ask(app, Client(method="GET"))
    assert (client.status, client.answer) == (503, b"ab")
    assert client.headers == {b"retry-after": b"9"}


def test_the_end_of_the_process_is_told_once():
    ends: list[int] = []
    client = Client(type="lifespan")
    client.events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    ask(Recorder(), client, at_stop=lambda: ends.append(client.received))
    assert ends == [2]
    assert [event["type"] for event in client.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_nothing_but_requests_is_served():
    with pytest.raises(ValueError, match="websocket"):
        ask(Recorder(), Client(type="websocket"))


class Where:
    """A WSGI application that notes in which threads it was called, and perhaps waits at the end."""

    def __init__(self, *, waits: bool) -> None:
        self.threads: list[str] = []
        self._waits = waits

    def __call__(self, environ, start_response):
        self.threads.append(threading.current_thread().name.partition("_")[0])
        if self._waits:
            about_to_wait()
        start_response("200 OK", [])
        return [b"done"]


@pytest.mark.parametrize(
    ("scope", "waits", "threads"),
    [
        ({}, False, ["MainThread"]),
        ({}, True, ["MainThread", "request"]),
        ({"raw_path": b"/start"}, False, ["request"]),
        ({"method": "POST"}, False, ["request"]),
        ({"method": "HEAD"}, False, ["request"]),
        ({"headers": lengthy(0)}, False, ["request"]),
        ({"headers": lengthy(MAX_BODY + 1)}, False, ["request"]),
    ],
    ids=["from memory", "would wait", "another path", "POST", "HEAD", "empty body", "large body"],
)
def test_what_is_answered_from_memory_needs_no_thread(scope, waits, threads):
    app = Where(waits=waits)
    client = Client(**{"method": "GET", "raw_path": b"/quick"} | scope)
    ask(app, client, from_memory=[b"/quick"])
    assert (client.status, client.answer, app.threads) == (200, b"done", threads)


def test_a_request_with_two_hosts_is_refused_before_it_is_tried():
    app = Where(waits=False)
    two = [(b"host", b"guichet.example"), (b"host", b"other.example")]
    client = ask(
        app, Client(method="GET", raw_path=b"/quick", headers=two), from_memory=[b"/quick"]
    )
    assert (client.status, app.threads) == (400, [])
