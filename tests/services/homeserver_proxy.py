"""nginx before a homeserver, with deploy/synapse-mixed.conf and deploy/synapse-limits.conf as operators include them."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import nginx
from .serving import serve
from .waiting import LOOPBACK, free_port

OURS = "guichet.example.org"
AGENTS_ONLY = "/_synapse/client/org.guichet/v1/agents-only"
STATUS = {"Bearer agent": 200, "Bearer guest": 403}
SERVER = """
{limits}
server {{
    listen {here};
    server_name localhost;
    location / {{ proxy_pass http://{synapse}; proxy_set_header Host $host; }}
    {doors}
}}
"""


@contextmanager
def before(folder: Path, synapse: str, *, identity_server: str) -> Iterator[str]:
    """The address of nginx before `synapse` (both host:port); `identity_server` is the one that is let through."""
    folder.mkdir()
    port = free_port()
    doors = nginx.replaced(
        (nginx.DEPLOY / "synapse-mixed.conf").read_text(encoding="utf-8"),
        {
            "127.0.0.1:8008": synapse,
            r"guichet\.example\.org": re.escape(identity_server),
        },
    )
    limits = (nginx.DEPLOY / "synapse-limits.conf").read_text(encoding="utf-8")
    here = f"{LOOPBACK}:{port}"
    text = SERVER.format(limits=limits, here=here, synapse=synapse, doors=doors)
    child = nginx.run(folder, text, port)
    try:
        yield here
    finally:
        child.kill()


@dataclass
class Answer:
    """What came back to the client."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def got_through(self) -> bool:
        return "X-Homeserver" in self.headers

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)


@dataclass
class Door:
    """nginx, and behind it a homeserver that keeps what reaches it and knows who is an agent."""

    port: int
    reached: list[tuple[str, str, bytes]] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: Any = None, who: str = "", **headers: str
    ) -> Answer:
        """`path` is sent as it is written; a list of pieces as `body` goes chunked."""
        talk = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        if who:
            headers["Authorization"] = f"Bearer {who}"
        is_chunked = isinstance(body, list)
        if is_chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif body is not None:
            headers["Content-Length"] = str(len(body))
        try:
            talk.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                talk.putheader(name.replace("_", "-"), value)
            talk.endheaders(body, encode_chunked=is_chunked)
            got = talk.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.read().decode())
        finally:
            talk.close()


def homeserver(reached: list[tuple[str, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Homeserver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status = 200
            if self.path == AGENTS_ONLY:
                status = STATUS.get(self.headers["Authorization"], 401)
            else:
                reached.append((self.command, self.path, body))
            self.send_response(status)
            self.send_header("X-Homeserver", "yes")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_OPTIONS = do_DELETE = _answer  # noqa: N815  the library's names

        def log_message(self, *_: object) -> None:
            pass

    return Homeserver


@contextmanager
def opened(folder: Path) -> Iterator[Door]:
    """The door of that homeserver."""
    reached: list[tuple[str, str, bytes]] = []
    port = free_port()
    server = ThreadingHTTPServer((LOOPBACK, port), homeserver(reached))
    server.daemon_threads = True
    serve(server)
    try:
        with before(folder / "nginx", f"{LOOPBACK}:{port}", identity_server=OURS) as here:
            yield Door(int(here.rpartition(":")[2]), reached)
    finally:
        server.shutdown()
        server.server_close()


def is_refusal(answer: Answer, reason: str) -> bool:
    """As Matrix clients read it, also in a browser."""
    assert not answer.got_through
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    assert answer.body["error"] == answer.body["org.guichet.message"]["fr"]
    assert answer.body["org.guichet.message"]["en"]
    return answer.body["org.guichet.reason"] == reason
