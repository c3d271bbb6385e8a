"""Runs one Synapse of the demo, first without and then with Guichet's module."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import yaml

from .authority import Certificates
from .children import ROOT, Child, Failed, environment

PYTHON = ROOT / ".venv-synapse/bin/python"
LOOPBACK = "127.0.0.1"
# Settings that close what a module cannot; the proxy closes the rest: docs/synapse.md, section 5.
DIRECTORY_CLOSED = {"enable_room_list_search": False, "allow_public_rooms_over_federation": False}
PROFILES_CLOSED = {
    "require_auth_for_profile_requests": True,  # the next one requires it
    "limit_profile_requests_to_users_who_share_rooms": True,
}
KEYS_OF_STRANGERS_CLOSED = {
    "experimental_features": {"msc4263_limit_key_queries_to_users_who_share_rooms": True},
    # Else Synapse goes on believing that two users share no room after they do.
    "caches": {
        "per_cache_factors": {"does_pair_of_users_share_a_room_joined_or_invited": 0},
    },
}
# Agents find those of their homeserver; the module hides guests, and shows nobody to them.
AGENTS_FOUND = {"user_directory": {"search_all_users": True}}
KEYS: dict[str, dict[str, Any]] = {
    "agent": AGENTS_FOUND,
    "guest": DIRECTORY_CLOSED
    | PROFILES_CLOSED
    | KEYS_OF_STRANGERS_CLOSED
    | {"allow_profile_lookup_over_federation": False},
    "by_person": AGENTS_FOUND | PROFILES_CLOSED | KEYS_OF_STRANGERS_CLOSED,
}
UNLIMITED = {"per_second": 1000, "burst_count": 1000}  # people who try things out are quick


class Homeserver:
    """One Synapse with its folder, its ports and an administrator.

    Clients use `port` (HTTP), homeservers `port + 1` (TLS). Behind a proxy, Synapse itself listens
    on `own_port`, which only Guichet uses.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        certificates: Certificates,
        *,
        port: int,
        class_source: str,
        own_port: int | None = None,
    ) -> None:
        self.name, self.folder, self.class_source = name, folder, class_source
        self._certificates, self.port = certificates, port
        self.own_port = port if own_port is None else own_port
        self.server_name = f"localhost:{port + 1}"
        self.federation_url = f"https://{self.server_name}"
        self.client_url = f"http://localhost:{port}"
        self.own_url = f"http://localhost:{self.own_port}"
        self.secret_file, self.token_file = folder / "registration_secret", folder / "admin_token"
        self.child: Child | None = None
        folder.mkdir(parents=True)
        self._secret = secrets.token_urlsafe(32)
        write_secret(self.secret_file, self._secret)
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        write_secret(folder / "signing.key", f"ed25519 demo {seed}\n")
        self._write(self._settings())

    def start(self) -> Child:
        """Start Synapse; `wait` returns when it answers."""
        argv = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"]
        self.child = Child(
            f"Synapse ({self.name})",
            argv,
            log=self.folder / "output.log",
            # Its HTTP client has no setting for authorities, it trusts those of OpenSSL.
            env=environment(SSL_CERT_FILE=str(self._certificates.ca_file)),
            cwd=self.folder,
        )
        return self.child

    def wait(self) -> None:
        if self.child is not None:
            self.child.wait_until(self._answers)

    def make_administrator(self) -> None:
        """Make an administrator as `register_new_matrix_user --admin` does; the token is for Guichet."""
        address = f"{self.own_url}/_synapse/admin/v1/register"
        nonce = read_answer(requests.get(address, timeout=30))["nonce"]
        name, password = "guichet", secrets.token_urlsafe(24)
        facts = f"{nonce}\x00{name}\x00{password}\x00admin"
        mac = hmac.new(self._secret.encode(), facts.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": password, "admin": True, "mac": mac}
        answer = read_answer(requests.post(address, json=body, timeout=30))
        write_secret(self.token_file, answer["access_token"])

    def load_module(
        self,
        *,
        guichet_url: str,
        credential: str,
        identity_server: str,
        others: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Add the module to homeserver.yaml as an operator would, and others, for the next start."""
        write_secret(self.folder / "guichet_credential", credential)
        block = {
            "guichet_url": guichet_url,
            "credential_file": str(self.folder / "guichet_credential"),
            "identity_server": [identity_server],
            "ca_file": str(self._certificates.ca_file),
            "class_source": self.class_source,
            "poll_seconds": 2,
        }
        module = {"module": "domain_rules.synapse_modules.Guichet", "config": block}
        self._write(
            self._settings()
            | {"modules": [module, *others], "default_identity_server": guichet_url}
        )

    def admin(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        """Call the admin API with the administrator's token."""
        headers = {"Authorization": f"Bearer {self.token_file.read_text(encoding='utf-8')}"}
        url = f"{self.own_url}/_synapse/admin{path}"
        return read_answer(requests.request(method, url, headers=headers, timeout=30, **how))

    def make_account(self, localpart: str, **facts: Any) -> str:
        """Make or change an account; return its user ID."""
        user_id = f"@{localpart}:{self.server_name}"
        self.admin("PUT", f"/v2/users/{quote(user_id)}", json=facts)
        return user_id

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.own_url}/health", timeout=2).ok
        except requests.RequestException:
            return False

    def _write(self, settings: dict[str, Any]) -> None:
        text = yaml.safe_dump(settings, sort_keys=False)
        (self.folder / "homeserver.yaml").write_text(text, encoding="utf-8")

    def _settings(self) -> dict[str, Any]:
        def listener(port: int, *names: str, tls: bool) -> dict[str, Any]:
            resources = [{"names": list(names)}]
            where = {"port": port, "type": "http", "tls": tls, "bind_addresses": [LOOPBACK]}
            return where | {"resources": resources}

        return {
            "server_name": self.server_name,
            "public_baseurl": f"{self.client_url}/",
            "listeners": [
                listener(self.own_port, "client", tls=False),
                listener(self.port + 1, "federation", tls=True),
            ],
            "tls_certificate_path": str(self._certificates.certificate),
            "tls_private_key_path": str(self._certificates.key),
            "federation_custom_ca_list": [str(self._certificates.ca_file)],
            # All servers are on this machine; leave this out in production.
            "ip_range_whitelist": ["127.0.0.0/8", "::1/128"],
            "database": {"name": "sqlite3", "args": {"database": "homeserver.db"}},
            "media_store_path": "media",
            "signing_key_path": "signing.key",
            "pid_file": "homeserver.pid",
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "report_stats": False,
            "macaroon_secret_key": secrets.token_urlsafe(32),
            "form_secret": secrets.token_urlsafe(32),
            "registration_shared_secret_path": str(self.secret_file),
            "room_list_publication_rules": [{"action": "allow"}],
            "rc_message": UNLIMITED,
            "rc_login": {"address": UNLIMITED, "account": UNLIMITED},
            "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
            "rc_invites": {"per_room": UNLIMITED, "per_user": UNLIMITED, "per_issuer": UNLIMITED},
            "rc_third_party_invite": UNLIMITED,
            "rc_room_creation": UNLIMITED,
            "bcrypt_rounds": 4,
            "room_prejoin_state": {"additional_event_types": ["im.vector.room.access_rules"]},
            **KEYS[self.class_source],
        }


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def read_answer(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises Failed for an error status."""
    if not answer.ok:
        raise Failed(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}")
    body: dict[str, Any] = answer.json()
    return body
