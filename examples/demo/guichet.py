"""Runs Guichet in the demo: its settings, the commands an operator types, and the service."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
import yaml

from .authority import Certificates
from .children import Child, Failed, environment
from .synapse import Homeserver

PROGRAM = Path(sys.executable).with_name("guichet")


class Guichet:
    """The embedded default (SQLite, a folder of mails) over TLS on `localhost:PORT`."""

    def __init__(
        self, folder: Path, certificates: Certificates, *, port: int, client_url: str | None
    ) -> None:
        """`client_url`: a template that leads people to their messenger; None if there is none."""
        self.folder, self._certificates, self._port = folder, certificates, port
        self._client_url = client_url
        self.name = f"localhost:{port}"
        self.url = f"https://{self.name}"
        folder.mkdir(mode=0o700, parents=True)
        self._environment = environment(
            GUICHET_DATA_DIR=str(folder),
            GUICHET_PUBLIC_URL=self.url,
            GUICHET_SERVER_NAME=self.name,
            GUICHET_INTERNAL_LISTEN="",
            **({"GUICHET_CLIENT_URL": client_url} if client_url else {}),
            PYTHONUNBUFFERED="1",
        )

    def register(self, homeserver: Homeserver, *, label: str) -> str:
        """Register a homeserver where Guichet makes the accounts; return its credential."""
        guests = ["--guests"] if homeserver.class_source == "guest" else []
        output = self.run(
            *("homeserver", "add", homeserver.server_name, "--label", label, *guests),
            *("--url", homeserver.own_url, "--base-url", homeserver.client_url),
            *("--client-url", self._client_url or homeserver.client_url),
            *("--federation-url", homeserver.federation_url),
            *("--ca-file", str(self._certificates.ca_file)),
            *("--connector", "synapse", "--class-source", homeserver.class_source),
            *("--registration-secret-file", str(homeserver.secret_file)),
            *("--admin-token-file", str(homeserver.token_file), "--json"),
        )
        shown: dict[str, Any] = json.loads(output)
        return str(shown["credential"])

    def open_domains(self, *rules: dict[str, str]) -> None:
        """Publish rules, in the form of examples/federation.yaml, in one revision."""
        file = self.folder / "federation.yaml"
        file.write_text(yaml.safe_dump({"rules": list(rules)}), encoding="utf-8")
        self.run("domain", "import", str(file))

    def run(self, *words: str) -> str:
        """Run a command of `guichet`; return what it prints. Raises Failed."""
        done = subprocess.run(  # noqa: S603  our own command lines
            [str(PROGRAM), *words],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"guichet {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def start(self) -> Child:
        """Start web, worker and scheduler."""
        certificate, key = str(self._certificates.certificate), str(self._certificates.key)
        return Child(
            "Guichet",
            [
                *(str(PROGRAM), "serve", "--port", str(self._port)),
                *("--tls-certificate", certificate, "--tls-key", key),
            ],
            log=self.folder / "output.log",
            env=self._environment,
            cwd=self.folder,
        )

    def answers(self) -> bool:
        """Whether it is ready (/readyz)."""
        try:
            answer = requests.get(
                f"{self.url}/readyz", verify=str(self._certificates.ca_file), timeout=2
            )
        except requests.RequestException:
            return False
        return answer.ok
