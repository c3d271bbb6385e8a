"""A homeserver where people register by mail, and somebody with a Matrix client who tries."""

import uuid
from dataclasses import dataclass, field
from html import unescape
from re import search
from typing import Any

import requests
import yaml

from domain_rules.synapse_modules.agents_only import PATH as AGENTS_ONLY
from tests.services.guichet_synapse import CLIENT, OF_GUESTS, GuichetHomeserver
from tests.services.person import plain
from tests.services.processes import Processes, Web
from tests.services.smtp import Relay
from tests.services.waiting import LOOPBACK, wait_for

EMAIL = "m.login.email.identity"
MAS = {
    "matrix_authentication_service": {
        "enabled": True,
        "endpoint": f"http://{LOOPBACK}:1/",
        "secret": "nobody answers there",
    },
    "password_config": {"enabled": False},
}


class GuestHomeserver(GuichetHomeserver):
    """Of guests; configured anew, it goes on with its accounts."""

    def configure(self, **further: Any) -> None:
        self.kill()
        settings = self._settings() | OF_GUESTS | further
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.start()

    def take(self, credential: str) -> None:
        self._credential = credential


@dataclass
class Door:
    """The homeserver, the Guichet it asks, and the relay of its mails."""

    homeserver: GuestHomeserver
    relay: Relay
    processes: Processes
    env: dict[str, str]
    port: int
    internal_url: str = ""
    web: Web | None = None
    configuration: str = ""
    revision: int = 0

    def open_guichet(self) -> Web:
        self.web = self.processes.web(self.env, port=self.port)
        return self.web

    def guichet(self, *words: str) -> Any:
        """What a command tells as JSON; its log has what it says to people as well."""
        return self.processes.told(*words, env=self.env)

    def be(self, configuration: str) -> None:
        """Start the homeserver so configured, unless it is."""
        if configuration == self.configuration:
            return
        further = {
            "ours": self._by_mail(),
            "checker": self._by_mail() | self._checker(),
            "mas": MAS,
        }
        self.homeserver.configure(**further[configuration])
        self.configuration = configuration
        if configuration == "ours":
            wait_for(self._knows_the_rules, what="the module has the rules")

    def _knows_the_rules(self) -> bool:
        told = self.homeserver.call("GET", AGENTS_ONLY)
        return bool(told.ok and told.json()["revision"] == self.revision)

    def _by_mail(self) -> dict[str, Any]:
        """What an operator sets so that people can register."""
        mail = {
            "smtp_host": LOOPBACK,
            "smtp_port": self.relay.port,
            "enable_tls": False,
            "notif_from": "Messagerie <bonjour@guests.example>",
        }
        return {
            "enable_registration": True,
            "registrations_require_3pid": ["email"],
            "email": mail,
        }

    def _checker(self) -> dict[str, Any]:
        """The public module alone, as its own documentation has it."""
        url = f"{self.internal_url}/_matrix/identity/api/v1/internal-info"
        return {"modules": [{"module": "threepid_checker.ThreepidChecker", "config": {"url": url}}]}


@dataclass
class Candidate:
    """Somebody with a Matrix client who wants an account with this address."""

    door: Door
    address: str = field(default_factory=lambda: f"lea{uuid.uuid4().hex[:8]}@asso.example")
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)
    sid: str = ""

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(self.door.homeserver.url + CLIENT + path, json=body, timeout=60)

    def order_mail(self) -> requests.Response:
        asked = {"client_secret": self.secret, "email": self.address, "send_attempt": 1}
        answer = self.post("/register/email/requestToken", **asked)
        self.sid = answer.json().get("sid", "")
        return answer

    def open_mail(self) -> None:
        text = plain(self.door.relay.wait_for_mail(self.address))
        link = search(r"https?://\S+submit_token\S+", unescape(text))
        assert link, text
        assert requests.get(link[0], timeout=60).ok

    def register(self) -> requests.Response:
        begun = self.post("/register", username=f"u{self.secret}", password="correct horse")
        proof = {
            "type": EMAIL,
            "session": begun.json()["session"],
            "threepid_creds": {"sid": self.sid, "client_secret": self.secret},
        }
        return self.post(
            "/register", username=f"u{self.secret}", password="correct horse", auth=proof
        )
