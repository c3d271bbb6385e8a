"""A real Synapse with the module in it and a real Guichet: nothing is lost while either is away."""

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.guichet_synapse import GuichetHomeserver, started
from tests.services.identity_server import identity_server_settings, serve_by_tls, trusted
from tests.services.processes import Web
from tests.services.waiting import wait_for
from tests.worlds.matrix import PASSWORD, User

DOMAIN = "one.example"


class House:
    """Guichet with one homeserver, whose module asks it over TLS."""

    def __init__(self, processes, authority, relay, folder: Path) -> None:
        self.processes = processes
        self.authority = authority
        self.environment = identity_server_settings(relay, GUICHET_LIMITS="off")
        url = self.environment["GUICHET_PUBLIC_URL"]
        self.id_server = url.removeprefix("https://")
        self.homeserver = GuichetHomeserver(
            folder,
            authority,
            guichet_url=url,
            module={"identity_server": [self.id_server]},
        )
        self._register()
        self.web: Web | None = None

    def start_guichet(self) -> None:
        self.web = serve_by_tls(self.processes, self.environment, self.authority)

    def stop_guichet(self) -> None:
        self.web.stop()

    def restart_synapse(self) -> None:
        self.homeserver.stop()
        self.homeserver.start()

    def states(self) -> dict[str, int]:
        """How many invitations stand where, as an operator sees it."""
        return self._told("invitation", "list")["states"]

    def revoke(self, invited: str) -> None:
        """An operator ends the invitation of this address."""
        (found,) = self._told("invitation", "list", "--address", invited)["invitations"]
        self._told("invitation", "revoke", found["id"])

    def give_address(self, user: User, address: str) -> None:
        """What the homeserver verified, as it writes it down."""
        answer = self.homeserver.call(
            "PUT",
            f"/_synapse/admin/v2/users/{quote(user.user_id)}",
            json={"threepids": [{"medium": "email", "address": address}]},
        )
        assert answer.ok, answer.text

    def _register(self) -> None:
        made = self._told(
            *("homeserver", "add", self.homeserver.server_name, "--url", self.homeserver.url),
            *("--federation-url", self.homeserver.federation_url),
            *("--ca-file", str(self.authority.ca_file)),
        )
        add = ("domain", "add", DOMAIN, "--homeserver", self.homeserver.server_name)
        self.processes.guichet(*add, env=self.environment)
        self.homeserver.configure(credential=made["credential"])

    def _told(self, *command: str) -> dict[str, Any]:
        return self.processes.told(*command, env=self.environment)


@pytest.fixture
def house(guichet_processes, authority, smtp_server, tmp_path):
    folder = tmp_path / "synapse"
    folder.mkdir()
    made = House(guichet_processes, authority, smtp_server, folder)
    with trusted(authority):
        made.start_guichet()
        with started(made.homeserver):
            yield made


def address() -> str:
    return f"a{uuid.uuid4().hex[:8]}@{DOMAIN}"


def tokens(user: User, room: str) -> set[str]:
    """The state keys of the invitations by mail in the room, without those that were emptied."""
    path = f"/_matrix/client/v3/rooms/{quote(room)}/state"
    events = user.homeserver.call("GET", path, token=user.token).json()
    mailed = [one for one in events if one["type"] == "m.room.third_party_invite"]
    return {one["state_key"] for one in mailed if one["content"]}


def leaves_and_the_room_is_closed(leaver: User, owner: User, room: str) -> None:
    """Who came by mail into a room open to guests leaves no open invitation that would keep it open.

    It is closed at once, before Guichet has emptied the event by which they came.
    """
    rule = f"/rooms/{quote(room)}/state/im.vector.room.access_rules/"
    owner.matrix("PUT", rule, rule="unrestricted", visibility="private")
    assert tokens(owner, room)
    leaver.matrix("POST", f"/rooms/{quote(room)}/leave")
    owner.matrix("PUT", rule, rule="restricted", visibility="private")
    wait_for(lambda: not tokens(owner, room), what="the event by which they came is emptied")


def test_what_happens_here_and_while_guichet_is_away_reaches_it(house):
    zoe, camille, lou = (User(house.homeserver, house.id_server) for _ in range(3))
    room = zoe.matrix("POST", "/createRoom", name="Cellule")["room_id"]
    early, late = address(), address()
    assert zoe.invite(room, early).ok
    house.give_address(lou, early)
    lou.wait_for_invite(room)
    lou.join(room)
    wait_for(lambda: house.states() == {"joined": 1}, what="Guichet knows who joined")
    assert zoe.look_up(early) == lou.user_id
    leaves_and_the_room_is_closed(lou, zoe, room)

    unwanted = address()
    assert zoe.invite(room, unwanted).ok
    assert tokens(zoe, room)
    house.revoke(unwanted)
    wait_for(lambda: not tokens(zoe, room), what="the room forgets who is not to come")
    assert zoe.invite(room, address()).ok
    (token,) = tokens(zoe, room)

    house.stop_guichet()
    house.give_address(camille, late)
    zoe.matrix("PUT", f"/rooms/{quote(room)}/state/m.room.third_party_invite/{quote(token)}")
    house.restart_synapse()
    house.start_guichet()
    wait_for(lambda: zoe.look_up(late) == camille.user_id, what="the address is known")
    ended = {"joined": 1, "revoked": 2}
    wait_for(lambda: house.states() == ended, what="the invitation has ended")

    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": camille.user_id},
        "password": PASSWORD,
    }
    told = camille.matrix("POST", "/account/deactivate", auth=auth)
    assert told == {"id_server_unbind_result": "success"}
    wait_for(lambda: zoe.look_up(late) is None, what="the address is nobody's")
