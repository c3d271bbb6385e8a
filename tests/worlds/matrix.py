"""A Matrix user with a client: their homeserver on one side, our identity server on the other."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import requests

from tests.services.person import code_in, plain
from tests.services.smtp import Relay
from tests.services.synapse import Homeserver
from tests.services.waiting import wait_for

CLIENT = "/_matrix/client/v3"
V2 = "/_matrix/identity/v2"
PASSWORD = "correct horse battery staple"


def codes_to(relay: Relay, address: str) -> list[EmailMessage]:
    """The mails with a code for a client, among others."""
    return [
        mail for mail in relay.to(address) if mail["X-Guichet-Template"].startswith("client_verify")
    ]


@dataclass
class User:
    """Registered on a homeserver, and signed in to the identity server at `id_server` (host:port)."""

    homeserver: Homeserver
    id_server: str
    localpart: str = field(default_factory=lambda: f"u{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        made = self.homeserver.register(self.localpart, PASSWORD)
        self.user_id, self.token = made["user_id"], made["access_token"]
        self.id_token = self.sign_in()

    def matrix(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """A call to the homeserver that is expected to succeed."""
        answer = self.try_matrix(method, path, **body)
        assert answer.ok, (
            f"{path}: {answer.status_code} {answer.text}\n{self.homeserver.log[-3000:]}"
        )
        return answer.json()

    def try_matrix(self, method: str, path: str, **body: Any) -> requests.Response:
        how = {"params" if method == "GET" else "json": body}
        return self.homeserver.call(method, CLIENT + path, token=self.token, **how)

    def identity(self, method: str, path: str, **body: Any) -> requests.Response:
        """A call to the identity server."""
        return requests.request(
            method,
            f"https://{self.id_server}{V2}{path}",
            headers={"Authorization": f"Bearer {self.id_token}"},
            timeout=60,
            **{"params" if method == "GET" else "json": body},
        )

    def sign_in(self) -> str:
        path = f"/user/{quote(self.user_id)}/openid/request_token"
        openid = self.matrix("POST", path)
        address = f"https://{self.id_server}{V2}/account/register"
        answer = requests.post(address, json=openid, timeout=60)
        assert answer.ok, answer.text
        return answer.json()["token"]

    def prove(self, address: str, relay: Relay) -> dict[str, str]:
        """requestToken, the code from the mail, submitToken."""
        secret = uuid.uuid4().hex
        before = len(codes_to(relay, address))
        asked = {"client_secret": secret, "email": address, "send_attempt": 1}
        sid = self.identity("POST", "/validate/email/requestToken", **asked).json()["sid"]
        mails = wait_for(lambda: codes_to(relay, address)[before:], what=f"a code for {address}")
        given = {"sid": sid, "client_secret": secret}
        handed_in = self.identity(
            "POST", "/validate/email/submitToken", token=code_in(plain(mails[-1])), **given
        )
        assert handed_in.json() == {"success": True}
        return given

    def bind(self, address: str, relay: Relay) -> None:
        """Through the client API, as clients do."""
        proof = self.prove(address, relay)
        where = {"id_server": self.id_server, "id_access_token": self.id_token}
        self.matrix("POST", "/account/3pid/bind", **proof, **where)

    def look_up(self, address: str) -> str | None:
        details = self.identity("GET", "/hash_details").json()
        digest = hashlib.sha256(f"{address} email {details['lookup_pepper']}".encode()).digest()
        wanted = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "addresses": [wanted],
            "algorithm": "sha256",
            "pepper": details["lookup_pepper"],
        }
        answer = self.identity("POST", "/lookup", **asked)
        assert answer.ok, answer.text
        return answer.json()["mappings"].get(wanted)

    def invite(self, room_id: str, address: str) -> requests.Response:
        return self.try_matrix(
            "POST",
            f"/rooms/{quote(room_id)}/invite",
            medium="email",
            address=address,
            id_server=self.id_server,
            id_access_token=self.id_token,
        )

    def wait_for_invite(self, room_id: str, *, within: float = 90) -> None:
        """A sync without `since` is cached: after the first each one goes on from the last."""
        state: dict[str, Any] = {"since": None, "rooms": set()}

        def is_invited() -> bool:
            since = {"since": state["since"]} if state["since"] else {}
            told = self.matrix("GET", "/sync", timeout=300, **since)
            state["since"] = told["next_batch"]
            state["rooms"] |= set(told.get("rooms", {}).get("invite", {}))
            return room_id in state["rooms"]

        wait_for(is_invited, what=f"{self.user_id} is invited", within=within)

    def join(self, room_id: str) -> None:
        """The invitation is here a moment before the inviter's homeserver has it: until then it refuses."""
        path = f"/rooms/{quote(room_id)}/join"
        wait_for(lambda: self.try_matrix("POST", path).ok, what=f"{self.user_id} joins", pause=0.2)

    def membership(self, room_id: str) -> str | None:
        path = f"/_synapse/admin/v1/users/{quote(self.user_id)}/memberships"
        return self.homeserver.call("GET", path).json()["memberships"].get(room_id)
