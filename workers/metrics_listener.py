"""Shows the metrics of this worker's processes to Prometheus, at a port of its own.

Threads of the worker's main process answer. If the port is taken, it tries again: the worker works
all the same.
"""

import logging
import os
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, AF_INET6
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Event, Thread
from typing import Any
from urllib.parse import urlsplit

from identity.core import exposition
from identity.core.deadlines import Deadline, Watchdog
from identity.networks import has_passed_a_proxy, is_in, read_address, read_host_name
from identity.settings import Settings, is_loopback

log = logging.getLogger(__name__)

PATH = "/metrics"
SLOWEST = 5.0  # seconds for a caller to send its request and take the answer, however it does so
CALLERS = 16  # at once; further ones are turned away
LOOK = 1.0  # seconds between two looks whether the worker stops
AGAIN = 10.0  # seconds until a port that was taken is tried again


class MetricsListener:
    """`start` and `stop`, in the main process of a worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._stopping = settings, Event()
        self._server: _Server | None = None
        self._thread = Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer, unless the setting is empty."""
        if self._settings.worker_metrics_listen:
            os.register_at_fork(after_in_child=self._leave)
            self._thread.start()

    def stop(self) -> None:
        """Answer no more. Returns at once: it is called while the worker stops."""
        self._stopping.set()

    def _run(self) -> None:
        told = False
        while not self._stopping.is_set():
            try:
                self._server = _Server(self._settings)
            except OSError as error:
                if not told:
                    where = self._settings.worker_metrics_listen
                    log.warning("metrics: cannot listen on %s: %s", where, error.strerror)
                told = True
                self._stopping.wait(AGAIN)
                continue
            with self._server:
                while not self._stopping.is_set():
                    self._server.handle_request()

    def _leave(self) -> None:
        """In a process of the pool: the port is the main process's."""
        if self._server is not None:
            self._server.socket.close()


class _Server(ThreadingMixIn, HTTPServer):
    """Answers each caller in a thread, so that a slow one holds up nobody."""

    timeout = LOOK  # for `handle_request`
    daemon_threads = True
    block_on_close = False

    def __init__(self, settings: Settings) -> None:
        self.settings, self._places = settings, BoundedSemaphore(CALLERS)
        parts = urlsplit(f"//{settings.worker_metrics_listen}")
        host, port = parts.hostname or "", parts.port or 0
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Answer)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread, unless as many callers are here as may be."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that went away or was too slow is no fault of ours."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout = SLOWEST
    server_version, sys_version = "Guichet", ""

    def handle(self) -> None:
        """Answer within the time: `timeout` begins anew with every byte."""
        with closing(Watchdog()) as watchdog, watchdog.until(Deadline(self.timeout)):
            watchdog.watch(self.connection)
            super().handle()

    def do_GET(self) -> None:
        """/metrics, for callers of GUICHET_INTERNAL_NETWORKS by a name of this machine."""
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND, b"Only /metrics is here.\n")
        elif not self._may_ask():
            self._answer(HTTPStatus.FORBIDDEN, b"Not from here (GUICHET_INTERNAL_NETWORKS).\n")
        else:
            self._answer(HTTPStatus.OK, exposition.show(), exposition.CONTENT_TYPE)

    def log_message(self, *_: object) -> None:
        """Nothing: Prometheus asks every few seconds."""

    def _may_ask(self) -> bool:
        """As on the internal listener: not for web pages, by DNS rebinding, or through a proxy."""
        host, settings = read_host_name(self.headers.get("Host")), self.server.settings
        names = {*settings.internal_hosts, read_host_name(settings.worker_metrics_listen)}
        is_ours = is_loopback(host) or read_address(host) is not None or host in names
        is_page = any(name.lower().startswith(("origin", "sec-fetch-")) for name in self.headers)
        is_near = is_in(str(self.client_address[0]), settings.internal_networks)
        return is_ours and is_near and not is_page and not has_passed_a_proxy(self.headers)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)
