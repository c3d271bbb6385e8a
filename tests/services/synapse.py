"""A real Synapse: one homeserver, one process, SQLite, no limits, loopback only."""

import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from signedjson.key import generate_signing_key, write_signing_keys

from .children import Child, MissingService, Server
from .waiting import LOOPBACK, free_port

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-synapse/bin/python"
FREELY = {"per_second": 10_000, "burst_count": 10_000}
LIMITS = {
    "rc_message": FREELY,
    "rc_registration": FREELY,
    "rc_login": {"address": FREELY, "account": FREELY, "failed_attempts": FREELY},
    "rc_admin_redaction": FREELY,
    "rc_joins": {"local": FREELY, "remote": FREELY},
    "rc_invites": {"per_room": FREELY, "per_user": FREELY, "per_issuer": FREELY},
    "rc_3pid_validation": FREELY,
    "rc_third_party_invite": FREELY,
}


class Homeserver(Server):
    """A Synapse of its own folder. Ask it over `url`; `stop` and `start` keep port, accounts and tokens."""

    def __init__(self, folder: Path, **further: Any) -> None:
        if not PYTHON.exists():
            raise MissingService("Synapse is not installed: make .venv-synapse/.ready")
        self.folder = folder
        self.port = free_port()
        self.server_name = f"localhost:{self.port}"
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.registration_secret = "only for these tests"
        self.admin_token = ""
        self.config = folder / "homeserver.yaml"
        self.config.write_text(yaml.safe_dump(self._settings() | further), encoding="utf-8")
        (folder / "log.yaml").write_text(yaml.safe_dump(self._logging()), encoding="utf-8")
        # As `--generate-keys` would write it, which takes as long as a start.
        with (folder / "signing.key").open("w", encoding="ascii") as file:
            write_signing_keys(file, [generate_signing_key("a_test")])

    @property
    def log(self) -> str:
        return (self.folder / "homeserver.log").read_text(encoding="utf-8")

    def start(self) -> None:
        self.child = Child(
            self._command(),
            log=self.folder / "output.log",
            env=self._environment(),
            cwd=self.folder,
        )
        self.child.wait_until(self._answers, what="Synapse answers", within=120)
        if not self.admin_token:
            self.admin_token = self.register("guichet-admin", "admin password", admin=True)[
                "access_token"
            ]

    def register(self, localpart: str, password: str, *, admin: bool = False) -> dict[str, Any]:
        """A new account by the shared secret: `user_id`, `access_token`, `device_id`."""
        address = f"{self.url}/_synapse/admin/v1/register"
        nonce = requests.get(address, timeout=60).json()["nonce"]
        facts = "\0".join([nonce, localpart, password, "admin" if admin else "notadmin"])
        mac = hmac.new(self.registration_secret.encode(), facts.encode(), hashlib.sha1).hexdigest()
        asked = {
            "nonce": nonce,
            "username": localpart,
            "password": password,
            "admin": admin,
            "mac": mac,
        }
        answer = requests.post(address, json=asked, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def call(
        self, method: str, path: str, *, token: str | None = None, **how: Any
    ) -> requests.Response:
        """Any request; with the administrator's token unless another is given."""
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **how)

    def log_in(self, identifier: dict[str, str] | str, password: str) -> requests.Response:
        """By local part, or by {"type": "m.id.thirdparty", "medium": "email", "address": …}."""
        if isinstance(identifier, str):
            identifier = {"type": "m.id.user", "user": identifier}
        asked = {"type": "m.login.password", "identifier": identifier, "password": password}
        return requests.post(f"{self.url}/_matrix/client/v3/login", json=asked, timeout=60)

    def _settings(self) -> dict[str, Any]:
        listener = {
            "port": self.port,
            "type": "http",
            "tls": False,
            "bind_addresses": [LOOPBACK],
            "resources": [{"names": ["client", "federation"]}],
        }
        return {
            "server_name": self.server_name,
            "public_baseurl": f"http://localhost:{self.port}/",
            "listeners": [listener],
            "database": {
                "name": "sqlite3",
                "args": {"database": str(self.folder / "homeserver.db")},
            },
            "log_config": str(self.folder / "log.yaml"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "pid_file": str(self.folder / "homeserver.pid"),
            "macaroon_secret_key": "macaroons of the tests",
            "form_secret": "forms of the tests",
            "registration_shared_secret": self.registration_secret,
            "bcrypt_rounds": 4,
            "report_stats": False,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "ip_range_whitelist": ["127.0.0.0/8", "::1/128"],
            **LIMITS,
        }

    def _logging(self) -> dict[str, Any]:
        handler = {
            "class": "logging.FileHandler",
            "filename": str(self.folder / "homeserver.log"),
            "formatter": "plain",
        }
        return {
            "version": 1,
            "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
            "handlers": {"file": handler},
            "root": {"level": "INFO", "handlers": ["file"]},
            "disable_existing_loggers": False,
        }

    def _command(self) -> list[str]:
        return [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(self.config)]

    def _environment(self) -> dict[str, str]:
        # Nothing of ours: a proxy set for this shell would catch the calls to identity servers.
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=2).ok
        except requests.RequestException:
            return False


@pytest.fixture(scope="session")
def _synapse_of_the_session(tmp_path_factory) -> Iterator[Homeserver]:
    homeserver = Homeserver(tmp_path_factory.mktemp("synapse"))
    homeserver.start()
    yield homeserver
    homeserver.end()


@pytest.fixture
def synapse(_synapse_of_the_session) -> Homeserver:
    """One for the whole session, so take new names for accounts; running, whatever the last test did."""
    if not _synapse_of_the_session.running:
        _synapse_of_the_session.start()
    return _synapse_of_the_session
