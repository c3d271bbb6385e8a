"""The messenger of the demo: Hydrogen in a browser, files that nginx serves. `make` builds them."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from examples.demo.children import ROOT
from examples.demo.proxy import Server
from examples.demo.synapse import Homeserver

SITE: Final = ROOT / ".venv-messenger/app/site"
NOT_BUILT: Final = (
    "The messenger is not built (make .venv-messenger/.ready says why):"
    " the last page of a sign-up leads to the homeserver."
)
QUERY: Final = "?hs={homeserver_url}&user={user_id}&room={room_id}"
# What its pages may load, and from where: themselves and the homeservers.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' blob: data: {homeservers}; media-src blob:; font-src 'self';"
    " connect-src 'self' {homeservers}; worker-src 'self' blob:; frame-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Hydrogen saves files by this page, in a frame. Its script stands in it, and it reaches nothing.
SAVING: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; sandbox allow-scripts allow-downloads;"
    " frame-ancestors 'self'"
)
BLOCK: Final = """
        root {site};
        types {{
            text/html html;
            text/css css;
            application/javascript js;
            application/json json;
            application/wasm wasm;
            image/svg+xml svg;
            font/woff woff;
            font/woff2 woff2;
        }}
        add_header Cache-Control no-cache always;
        add_header Referrer-Policy no-referrer always;
        add_header X-Content-Type-Options nosniff always;
        add_header Content-Security-Policy $messenger_policy always;
        set $messenger_policy "{policy}";
        location = /config.json {{ alias {folder}/config.json; }}
        location = /assets/download-sandbox.html {{ set $messenger_policy "{saving}"; }}
"""


def is_built() -> bool:
    """Whether its files are there: npm's registry could be reached when `make demo` began."""
    return (SITE / "index.html").exists()


class Messenger:
    """The files, and what the demo adds to them: config.json."""

    def __init__(self, folder: Path, *, port: int, homeservers: Sequence[Homeserver]) -> None:
        self.url = f"http://localhost:{port}/"
        self.link = self.url + QUERY
        """A template for `identity.client_links.fill`."""
        self._port, self._folder = port, folder
        self._homeservers = [each.client_url for each in homeservers]
        folder.mkdir(parents=True)
        # A browser that was here during an earlier demo sees by `run` that its accounts are gone.
        config = {"homeservers": self._homeservers, "run": secrets.token_hex(8)}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def server(self) -> Server:
        """The server of nginx that shows it."""
        policy = POLICY.format(homeservers=" ".join(self._homeservers))
        block = BLOCK.format(site=SITE, folder=self._folder, policy=policy, saving=SAVING)
        return Server(self._port, block)
