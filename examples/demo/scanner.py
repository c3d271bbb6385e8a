"""Runs matrix-content-scanner in the demo (`--scanner`): it decrypts files for clients, and lets clamd judge them.

Clients hand it address and key of an encrypted file before they show it. docs/antivirus.md says which do.
"""

import secrets
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import quote

import requests
import yaml

from .antivirus import CONFIGURATION, Antivirus
from .children import ROOT, Child, environment
from .proxy import Server
from .synapse import LOOPBACK, Homeserver, write_secret

PYTHON: Final = ROOT / ".venv-scanner/bin/python"
READY: Final = ROOT / ".venv-scanner/.ready"
API: Final = "/_matrix/media_proxy/unstable"
ACCOUNT: Final = "scanner"
# clamdscan knows no time-out of its own.
SCRIPT: Final = """#!/bin/sh
cd "$(dirname "$0")/{clamd}" && exec timeout 30 clamdscan --config-file={configuration} --no-summary --fdpass "$1"
"""
FAILURES: Final = [2, 124]  # of clamdscan, and of timeout: not a verdict, so not remembered
# The scanner asks where media were before they asked for a token; Synapse answers there no more.
BLOCK: Final = """        location ~ ^/_matrix/media/(r0|v3)/download/ {{
            rewrite ^/_matrix/media/[^/]+/(.*)$ /_matrix/client/v1/media/$1 break;
            proxy_pass http://{address}:{port};
        }}
"""


def missing(*, nginx: bool, clamd: bool) -> str | None:
    """A line that says what it lacks on this machine, None if it can run."""
    there = {
        "nginx": nginx,
        "clamd": clamd,
        "clamdscan": shutil.which("clamdscan"),
        "make .venv-scanner/.ready": READY.exists(),
    }
    lacking = ", ".join(name for name, found in there.items() if not found)
    return f"Encrypted files are not scanned, for want of: {lacking}." if lacking else None


class Scanner:
    """One matrix-content-scanner. It downloads media from `homeserver`, those of other homeservers too."""

    def __init__(
        self, folder: Path, antivirus: Antivirus, homeserver: Homeserver, *, port: int
    ) -> None:
        """Clients ask it on `port`; what it downloads, it gets from nginx on `port + 1`."""
        self.url = f"http://{LOOPBACK}:{port}"
        self._folder, self._port, self._homeserver = folder, port, homeserver
        folder.mkdir(mode=0o700, parents=True)
        (folder / "files").mkdir()
        script = SCRIPT.format(clamd=f"../{antivirus.folder.name}", configuration=CONFIGURATION)
        (folder / "scan.sh").write_text(script, encoding="utf-8")
        (folder / "scan.sh").chmod(0o700)

    def server(self) -> Server:
        """What nginx serves for it."""
        return Server(
            self._port + 1, BLOCK.format(address=LOOPBACK, port=self._homeserver.own_port)
        )

    def start(self) -> Child:
        """Make its account at the homeserver and start it."""
        write_secret(self._folder / "scanner.yaml", yaml.safe_dump(self._settings(self._token())))
        return Child(
            "The scanner",
            [str(PYTHON), "-m", "matrix_content_scanner.mcs", "-c", "scanner.yaml"],
            log=self._folder / "output.log",
            env=environment(),
            cwd=self._folder,
        )

    def answers(self) -> bool:
        """Whether it gives its public key."""
        try:
            return requests.get(f"{self.url}{API}/public_key", timeout=2).ok
        except requests.RequestException:
            return False

    def _token(self) -> str:
        # Nobody finds it among the people, and it has no password.
        user_id = self._homeserver.make_account(ACCOUNT, user_type="support")
        answer = self._homeserver.admin("POST", f"/v1/users/{quote(user_id)}/login", json={})
        return str(answer["access_token"])

    def _settings(self, token: str) -> dict[str, object]:
        return {
            "web": {"host": LOOPBACK, "port": self._port},
            "scan": {
                "script": str(self._folder / "scan.sh"),
                "temp_directory": str(self._folder / "files"),
            },
            "download": {
                "base_homeserver_url": f"http://{LOOPBACK}:{self._port + 1}",
                "additional_headers": {"Authorization": f"Bearer {token}"},
            },
            "result_cache": {"exit_codes_to_ignore": FAILURES},
            "crypto": {
                "pickle_path": str(self._folder / "pickle"),
                "pickle_key": secrets.token_urlsafe(32),
            },
        }
