"""Between Guichet and a homeserver: passes calls on, and holds one of them before or after it got there."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from .serving import serve
from .waiting import LOOPBACK


class Holding:
    """`hold("POST", "/v1/register", after=True)` holds the next such call until it is dropped unanswered."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._wanted: tuple[str, str, bool, int] | None = None
        self.held, self._dropped = threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        serve(self._server)

    def hold(self, method: str, path: str, *, after: bool, skip: int = 0) -> None:
        """`skip`: so many of these calls go through first."""
        self._wanted = (method, path, after, skip)

    def drop(self) -> None:
        self._dropped.set()

    def close(self) -> None:
        self.drop()
        self._server.shutdown()
        self._server.server_close()

    def _is_it(self, method: str, path: str) -> bool:
        if self._wanted is None or self.held.is_set():
            return False
        wanted, part, after, skip = self._wanted
        if method != wanted or part not in path:
            return False
        self._wanted = (wanted, part, after, skip - 1)
        return skip == 0

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                held = us._is_it(self.command, self.path)
                if held and not us._wanted[2]:
                    return self._wait()
                kept = {n: v for n, v in self.headers.items() if n.lower() != "host"}
                answer = requests.request(
                    self.command, us._behind + self.path, data=body, headers=kept, timeout=60
                )
                if held:
                    return self._wait()
                self.send_response(answer.status_code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)
                return None

            def _wait(self):
                us.held.set()
                us._dropped.wait()
                self.close_connection = True

            do_GET = do_POST = do_PUT = _pass_on  # noqa: N815  the library's names

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler
