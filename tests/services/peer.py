"""A homeserver as other servers see it: it vouches for users, publishes its keys, signs requests. HTTP/1.0, no Content-Type."""

import json
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import signedjson.key
import signedjson.sign

from .certificates import Certificate
from .serving import serve
from .waiting import LOOPBACK


class Peer:
    """`users` is token → sub. `keys` signs as `server_name`, the last one signs requests."""

    def __init__(self, server_name: str, certificate: Certificate | None = None) -> None:
        self.server_name = server_name
        self.users: dict[str, object] = {}
        self.asked: list[str] = []
        self.told: list[dict] = []  # what was sent to it, as to onbind
        self.raw: tuple[int, bytes] | None = None  # answers everything with this
        self.keys = [signedjson.key.generate_signing_key("first")]
        self.valid_until = datetime(2100, 1, 1, tzinfo=UTC)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.port = self._server.server_port
        self.url = f"{scheme}://{LOOPBACK}:{self.port}"
        serve(self._server)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def new_key(self, name: str) -> None:
        self.keys.append(signedjson.key.generate_signing_key(name))

    def publish_until(self, at: datetime) -> None:
        self.valid_until = at

    def published(self) -> dict:
        body = {
            "server_name": self.server_name,
            "valid_until_ts": int(self.valid_until.timestamp() * 1000),
            "verify_keys": {
                f"{key.alg}:{key.version}": {
                    "key": signedjson.key.encode_verify_key_base64(key.verify_key)
                }
                for key in self.keys
            },
            "old_verify_keys": {},
        }
        for key in self.keys:
            body = signedjson.sign.sign_json(body, self.server_name, key)
        return body

    def authorization(self, destination: str, *, header=None, field="destination_is", **facts):
        """The X-Matrix header of a request to `destination`, as Synapse writes it."""
        key = self.keys[-1]
        request = {"origin": self.server_name, field: destination} | facts
        signed = signedjson.sign.sign_json(request, self.server_name, key)
        name = f"{key.alg}:{key.version}"
        signature = signed["signatures"][self.server_name][name]
        shown = destination if header is None else header
        told = f',destination="{shown}"' if shown else ""
        return f'X-Matrix origin="{self.server_name}",key="{name}",sig="{signature}"{told}'

    def _answer(self, path: str) -> tuple[int, bytes]:
        if self.raw:
            return self.raw
        parts = urlsplit(path)
        if parts.path == "/_matrix/key/v2/server":
            return 200, json.dumps(self.published()).encode()
        if parts.path == "/_matrix/federation/v1/openid/userinfo":
            [token] = parse_qs(parts.query)["access_token"]
            if token in self.users:
                return 200, json.dumps({"sub": self.users[token]}).encode()
            return 401, b'{"errcode": "M_UNKNOWN_TOKEN", "error": "Access Token unknown"}'
        return 404, b'{"errcode": "M_UNRECOGNIZED", "error": "?"}'

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                us.asked.append(self.path)
                status, body = us._answer(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                us.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler
