"""A homeserver that is only told things: it keeps what comes to `onbind`, publishes keys, and answers as a test says."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain_rules.room_action_answers import credential_hash, seal_answer

from .serving import serve
from .waiting import LOOPBACK


class ToldHomeserver:
    """`answers` are taken one a request, the last one stays: (status, body), or "hang up".

    To a letter a 200 is sealed as our module does, and what stands in `refusals` (status, facts) before it.
    """

    def __init__(self) -> None:
        self.told: list[dict] = []
        self.methods: list[str] = []
        self.answers: list = [(200, b"{}")]
        self.refusals: list[tuple[int, dict]] = []
        self.published: dict = {}  # at /_matrix/key/v2/server
        self.credential = "the credential of its homeserver"
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        serve(self._server)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def as_module(self, facts: dict, asked: dict, status: int = 200) -> dict:
        """The answer of our module to a letter; a test may replace it."""
        return seal_answer(
            facts,
            known_by=credential_hash(self.credential),
            homeserver=asked["destination"],
            action=asked["action"],
            nonce=asked["nonce"],
            status=status,
        )

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                us.told.append(json.loads(self.rfile.read(length)))
                us.methods.append(f"{self.command} {self.path}")
                answer = us.answers.pop(0) if len(us.answers) > 1 else us.answers[0]
                if answer == "hang up":
                    return
                status, body = answer
                asked = us.told[-1]
                if asked.get("action") and us.refusals:
                    status, facts = us.refusals.pop(0)
                    body = json.dumps(us.as_module(facts, asked, status)).encode()
                elif asked.get("action") and status == 200:
                    body = json.dumps(us.as_module(json.loads(body), asked)).encode()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self):
                self.do_POST()

            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(us.published).encode())

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler


@pytest.fixture
def told_homeserver() -> Iterator[ToldHomeserver]:
    homeserver = ToldHomeserver()
    yield homeserver
    homeserver.close()
