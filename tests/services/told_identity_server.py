"""An identity server for homeservers to ask: who is known by which address is what a test says. HTTPS."""

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .certificates import Certificate
from .serving import serve
from .waiting import LOOPBACK

A_KEY = "ta8IQ0u1sp44HVpxYi7dFOdS/bfwDjcy4xLFlfY5KOA"


class ToldIdentityServer:
    """`known` is address → user ID. Everybody may ask; every invitation is stored."""

    def __init__(self, certificate: Certificate) -> None:
        self.known: dict[str, str] = {}
        self.invited: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.name = f"localhost:{self._server.server_port}"
        serve(self._server)

    @property
    def facts(self) -> dict:
        """As Guichet tells them to the modules."""
        return {"names": [self.name], "public_keys": {"ed25519:0": A_KEY}}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, asked: dict) -> dict:
        path = urlsplit(path).path
        if path.endswith("/hash_details"):
            return {"algorithms": ["none"], "lookup_pepper": "pepper"}
        if path.endswith("/lookup"):
            found = {
                address: self.known.get(address.partition(" ")[0]) for address in asked["addresses"]
            }
            return {"mappings": {address: user_id for address, user_id in found.items() if user_id}}
        self.invited.append(asked)
        address = f"https://{self.name}/_matrix/identity/v2/pubkey/isvalid"
        key = {"public_key": A_KEY, "key_validity_url": address}
        return {
            "token": f"token-{len(self.invited)}",
            "display_name": "c...@...",
            "public_key": A_KEY,
            "public_keys": [key],
        }

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            # Said, so that a homeserver never posts to a connection that is about to close.
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._tell({})

            def do_POST(self):
                self._tell(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _tell(self, asked: dict) -> None:
                text = json.dumps(us.answer(self.path, asked)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler
