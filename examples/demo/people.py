"""Who is there from the beginning: four people, and a room that is closed to guests."""

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from .children import Failed
from .synapse import Homeserver, told

WITHIN = 90.0  # seconds until every homeserver must know who is an agent
POLL = 0.5
ACCESS_RULES = "im.vector.room.access_rules"


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    homeserver: Homeserver
    user_id: str
    password: str
    access_token: str

    def ask(self, path: str, asked: dict[str, Any]) -> requests.Response:
        return requests.post(
            f"{self.homeserver.client_url}/_matrix/client/v3{path}",
            json=asked,
            headers={"Authorization": f"Bearer {self.access_token}"},
            timeout=30,
        )

    def described(self) -> dict[str, str]:
        """As var/demo/demo.json has it."""
        return {
            "user_id": self.user_id,
            "password": self.password,
            "access_token": self.access_token,
            "homeserver": self.homeserver.name,
        }


def welcome(homeserver: Homeserver, localpart: str, *, name: str, address: str) -> Person:
    """An account with a verified address: on a homeserver of both, that decides who is an agent."""
    password = secrets.token_urlsafe(12)
    threepids = [{"medium": "email", "address": address}]
    user_id = homeserver.make_account(
        localpart, displayname=name, password=password, threepids=threepids
    )
    asked = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": localpart},
        "password": password,
        "initial_device_display_name": "demo",
    }
    url = f"{homeserver.client_url}/_matrix/client/v3/login"
    made = told(requests.post(url, json=asked, timeout=30))
    return Person(homeserver, user_id, password, made["access_token"])


def closed_room(agent: Person) -> str:
    """A private room of the agent's into which no guest may be invited."""
    rule = {"type": ACCESS_RULES, "state_key": "", "content": {"rule": "restricted"}}
    return _room(agent, name="Entre agents", initial_state=[rule])


def introduce(agent: Person, other: Person) -> None:
    """Two agents of different homeservers: each homeserver has heard by then who is one.

    At home an address says it at once; elsewhere it is heard of through Guichet.
    """
    _room(other, name="Premier salon")
    room = quote(_room(agent, name="Entre serveurs"))
    asked = {"user_id": other.user_id}
    told(_as_soon_as_may(agent, f"/rooms/{room}/invite", asked))


def _room(person: Person, **asked: Any) -> str:
    asked |= {"preset": "private_chat"}
    return str(told(_as_soon_as_may(person, "/createRoom", asked))["room_id"])


def _as_soon_as_may(person: Person, path: str, asked: dict[str, Any]) -> requests.Response:
    ends_at = time.monotonic() + WITHIN
    while True:
        answer = person.ask(path, asked)
        if answer.ok:
            return answer
        if time.monotonic() > ends_at:
            raise Failed(f"{person.user_id} may not yet {path}: {answer.text}")
        time.sleep(POLL)
