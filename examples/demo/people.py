"""Makes the first accounts of the demo: four people, a room that is closed to guests, and an invitation by mail."""

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from .children import Failed
from .synapse import Homeserver, read_answer

WITHIN = 90.0  # seconds until every homeserver must know who is an agent
POLL = 0.5  # seconds
ACCESS_RULES = "im.vector.room.access_rules"


@dataclass(frozen=True)
class Person:
    """A person who is logged in to an account."""

    homeserver: Homeserver
    user_id: str
    password: str
    access_token: str

    def post(self, path: str, body: dict[str, Any]) -> requests.Response:
        """Call the client-server API v3 of the homeserver."""
        return requests.post(
            f"{self.homeserver.client_url}/_matrix/client/v3{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.access_token}"},
            timeout=30,
        )

    def facts(self) -> dict[str, str]:
        """The facts for demo.json."""
        return {
            "user_id": self.user_id,
            "password": self.password,
            "access_token": self.access_token,
            "homeserver": self.homeserver.name,
        }


def make_person(homeserver: Homeserver, localpart: str, *, name: str, address: str) -> Person:
    """Make an account with a verified address, and log in.

    On a homeserver with agents and guests, the address decides which of them a person is.
    """
    password = secrets.token_urlsafe(12)
    threepids = [{"medium": "email", "address": address}]
    user_id = homeserver.make_account(
        localpart, displayname=name, password=password, threepids=threepids
    )
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": localpart},
        "password": password,
        "initial_device_display_name": "demo",
    }
    url = f"{homeserver.client_url}/_matrix/client/v3/login"
    answer = read_answer(requests.post(url, json=body, timeout=30))
    return Person(homeserver, user_id, password, answer["access_token"])


def make_closed_room(agent: Person) -> str:
    """Make a private room of an agent to which no guest may be invited; return its ID."""
    rule = {"type": ACCESS_RULES, "state_key": "", "content": {"rule": "restricted"}}
    return _room(agent, name="Entre agents", initial_state=[rule])


def introduce(agent: Person, other: Person) -> None:
    """Let an agent invite one of another homeserver, once each homeserver knows both as agents.

    Their own homeserver knows it by the address at once, others learn it from Guichet.
    """
    _room(other, name="Premier salon")
    room = quote(_room(agent, name="Entre serveurs"))
    read_answer(_post_until_allowed(agent, f"/rooms/{room}/invite", {"user_id": other.user_id}))


def invite_by_mail(agent: Person, address: str, *, identity_server: str, ca_file: str) -> None:
    """Let an agent invite an address into a new room that is open to guests.

    `identity_server`: Guichet, as `localhost:PORT`.
    """
    rule = {"type": ACCESS_RULES, "state_key": "", "content": {"rule": "unrestricted"}}
    room = _room(agent, name="Avec les associations", initial_state=[rule])
    proof = read_answer(agent.post(f"/user/{quote(agent.user_id)}/openid/request_token", {}))
    register = f"https://{identity_server}/_matrix/identity/v2/account/register"
    registered = read_answer(requests.post(register, json=proof, verify=ca_file, timeout=30))
    invitation = {
        "medium": "email",
        "address": address,
        "id_server": identity_server,
        "id_access_token": registered["token"],
    }
    read_answer(agent.post(f"/rooms/{quote(room)}/invite", invitation))


def _room(person: Person, **facts: Any) -> str:
    body = facts | {"preset": "private_chat"}
    return str(read_answer(_post_until_allowed(person, "/createRoom", body))["room_id"])


def _post_until_allowed(person: Person, path: str, body: dict[str, Any]) -> requests.Response:
    ends_at = time.monotonic() + WITHIN
    while True:
        answer = person.post(path, body)
        if answer.ok:
            return answer
        if time.monotonic() > ends_at:
            raise Failed(f"{person.user_id} may not yet {path}: {answer.text}")
        time.sleep(POLL)
