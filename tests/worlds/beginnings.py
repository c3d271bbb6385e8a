"""Every way to begin a conversation, on two homeservers that federate: one of guests and one of agents."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from requests import Response

from tests.services.guichet_synapse import GuichetHomeserver, Person
from tests.services.told_identity_server import ToldIdentityServer
from tests.services.waiting import wait_for

OPEN_TO_GUESTS = {
    "type": "im.vector.room.access_rules",
    "state_key": "",
    "content": {"rule": "unrestricted"},
}


@dataclass
class Federation:
    """Gil is a guest, Ana and Zoe are agents, Max administers the guests' homeserver."""

    guests: GuichetHomeserver
    agents: GuichetHomeserver
    identity_server: ToldIdentityServer
    gil: Person
    ana: Person
    zoe: Person

    def room_of_both(self, **asked: Any) -> str:
        """Ana's; Gil was invited and came."""
        room_id = self.ana.create(
            invite=[self.gil.user_id], initial_state=[OPEN_TO_GUESTS], **asked
        )
        wait_for(lambda: self.gil.join(room_id, by=self.agents).ok, what="Gil is in Ana's room")
        return room_id


def reason(answer: Response) -> str:
    """Why it was refused; fails if it was not, or without both texts."""
    assert answer.status_code == 403, answer.text
    told = answer.json()
    assert told["errcode"] == "M_FORBIDDEN"
    assert told["org.guichet.message"]["fr"]
    assert told["org.guichet.message"]["en"]
    return told["org.guichet.reason"]


def a_name() -> str:
    return f"n{uuid.uuid4().hex[:8]}"


def actions(
    federation: Federation, person: Person, room_id: str, version: str, *, public: str
) -> dict[str, Response]:
    """Every way to begin a conversation, by one person who is in both rooms: what each answered."""
    other = federation.zoe.user_id
    room = f"/rooms/{quote(room_id)}"
    new = {"room_version": version}
    by_mail = {
        "medium": "email",
        "id_server": federation.identity_server.name,
        "id_access_token": "anything",
    }
    alias = f"/directory/room/{quote(f'#{a_name()}:{person.homeserver.server_name}')}"
    return {
        "private": person.ask("POST", "/createRoom", preset="private_chat", **new),
        "public": person.ask("POST", "/createRoom", visibility="public", **new),
        "direct": person.ask("POST", "/createRoom", is_direct=True, invite=[other], **new),
        "space": person.ask("POST", "/createRoom", creation_content={"type": "m.space"}, **new),
        "invite": person.ask("POST", f"{room}/invite", user_id=other),
        "by mail": person.ask("POST", f"{room}/invite", address="new@agents.example", **by_mail),
        "known by mail": person.ask(
            "POST", f"{room}/invite", address="known@agents.example", **by_mail
        ),
        "alias": person.ask("PUT", alias, room_id=room_id),
        "publish": person.ask("PUT", f"/directory/list/room/{quote(public)}", visibility="public"),
        "upgrade": person.ask("POST", f"{room}/upgrade", new_version=version),
    }
