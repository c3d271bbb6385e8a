"""What of Guichet a homeserver's module asks: rules and agents as a test sets them, on loopback."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .certificates import Certificate
from .serving import serve
from .waiting import LOOPBACK, free_port

PREFIX = "/api/homeserver/v1"


def told_rule(
    kind: str, pattern: str, account_class: str, homeserver: str | None, **more: Any
) -> dict[str, Any]:
    """A rule as Guichet sends it, without what is as usual."""
    facts = {"kind": kind, "pattern": pattern, "class": account_class, "homeserver": homeserver}
    return {name: value for name, value in (facts | more).items() if value}


class ToldGuichet:
    """A homeserver's credential is its name. `stop` and `start` keep port and content."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://localhost:{self.port}"
        self._certificate = certificate
        self.epoch, self.revision, self.number = "first", 1, 1
        self.sources: dict[str, str] = {}
        self.rules: list[dict[str, Any]] = []
        self.agents: list[str] = []
        self.removed: list[str] = []
        self.identity_server: dict[str, Any] = {"names": [], "public_keys": {}}
        self.reports: list[dict[str, Any]] = []
        self.paused: set[str] = set()  # who may not invite by mail
        self.predecessors: dict[str, list[str]] = {}  # by who has their address now
        self.asked: list[tuple[str, int]] = []
        self.is_frozen = False  # every second request gets headers and no body, the others nothing
        self.held, self.most_held = 0, 0  # POST requests it does not answer: now, and at once
        self.left = 0  # those that ended because Synapse went away
        self._lock, self._number = threading.Lock(), 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        self._server = ThreadingHTTPServer((LOOPBACK, self.port), self._handler())
        self._server.daemon_threads = True
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate.certificate, self._certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        serve(self._server)

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def publish(self, *rules: dict[str, Any]) -> None:
        """The next revision."""
        self.rules = list(rules)
        self.revision += 1

    def answer(self, name: str, path: str) -> tuple[str, dict[str, Any]]:
        """Tag and body."""
        parts = urlsplit(path)
        if parts.path == f"{PREFIX}/rules":
            tag = f'"{self.epoch}.{self.revision}.{len(self.sources)}"'
            return tag, {
                "epoch": self.epoch,
                "revision": self.revision,
                "homeserver": {
                    "name": name,
                    "class_source": self.sources[name],
                    "user_id_scheme": "address",
                },
                "homeservers": {
                    each: {"class_source": source} for each, source in self.sources.items()
                },
                "rules": self.rules,
                "identity_server": self.identity_server,
            }
        since = int(parse_qs(parts.query)["since"][0])
        return f'"{self.epoch}.{self.number}.{since or "all"}"', {
            "epoch": self.epoch,
            "number": self.number,
            "added": self.agents,
            "removed": [] if since == 0 else self.removed,
            "complete": since == 0,
        }

    def answer_to(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        if path == f"{PREFIX}/predecessors":
            known = self.predecessors.get(told["user_id"], [])
            return {"predecessors": [each for each in told["left"] if each in known]}
        if path == f"{PREFIX}/may-invite":
            if told["sender"] in self.paused:
                return {"allowed": False, "org.guichet.reason": "invitations_paused"}
            return {"allowed": True}
        self.reports.extend(told["reports"])
        return {"results": [{"id": one["id"], "result": "ok"} for one in told["reports"]]}

    def hold(self, handler: BaseHTTPRequestHandler) -> None:
        """Until Synapse goes away."""
        is_post = handler.command == "POST"
        with self._lock:
            self.held += is_post
            self.most_held = max(self.most_held, self.held)
            self._number += 1
            says_something = self._number % 2
        with contextlib.suppress(OSError):
            if says_something:
                handler.send_response(200)
                handler.send_header("Content-Length", "100")
                handler.end_headers()
            handler.connection.recv(1)
        handler.close_connection = True
        with self._lock:
            self.held -= is_post
            self.left += is_post

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            # Said, so that a homeserver never posts to a connection that is about to close.
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if us.is_frozen:
                    return us.hold(self)
                name = self.headers["Authorization"].removeprefix("Bearer ")
                tag, body = us.answer(name, self.path)
                status = 304 if self.headers["If-None-Match"] == tag else 200
                us.asked.append((self.path, status))
                self.send_response(status)
                self.send_header("ETag", tag)
                text = json.dumps(body).encode() if status == 200 else b""
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)
                return None

            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if us.is_frozen:
                    return us.hold(self)
                text = json.dumps(us.answer_to(self.path, told)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)
                return None

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler


@pytest.fixture(scope="module")
def told_guichet() -> Iterator[ToldGuichet]:
    guichet = ToldGuichet()
    yield guichet
    guichet.stop()
