"""A real Synapse with our module beside a real Guichet: a mail leaves for what a room took, and for nothing else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.certificates import Authority
from tests.services.guichet_synapse import GuichetHomeserver
from tests.services.identity_server import identity_server_settings, serve_by_tls, trusted
from tests.services.processes import Processes, Web
from tests.services.smtp import Relay
from tests.services.waiting import wait_for
from tests.worlds.matrix import User

pytestmark = pytest.mark.synapse

# Seconds: the room is asked three times within a minute; a killed worker's lease comes on top.
ASKED_AND_MORE = 300


@dataclass
class World:
    """A Guichet and a homeserver of agents; both may be killed and started again."""

    processes: Processes
    authority: Authority
    homeserver: GuichetHomeserver
    relay: Relay
    env: dict[str, str]
    web: Web | None = None

    @property
    def id_server(self) -> str:
        return self.env["GUICHET_PUBLIC_URL"].removeprefix("https://")

    def register(self) -> str:
        """The homeserver, and the domain of its agents. Its credential."""
        name = self.homeserver.server_name
        said = self.processes.guichet(
            *("homeserver", "add", name, "--url", self.homeserver.url),
            *("--federation-url", self.homeserver.federation_url, "--connector", "none"),
            *("--ca-file", str(self.authority.ca_file)),
            env=self.env,
        )
        add = ("domain", "add", "agents.example", "--homeserver", name)
        self.processes.guichet(*add, env=self.env)
        return re.search(r"guichet_\S+", said)[0]

    def start(self) -> None:
        self.web = serve_by_tls(self.processes, self.env, self.authority)

    def invitations(self, address: str, *options: str) -> list[dict[str, Any]]:
        """As an operator sees them."""
        command = ("invitation", "list", "--address", address, *options)
        return self.processes.told(*command, env=self.env)["invitations"]


@pytest.fixture(scope="module")
def world(tmp_path_factory, authority) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rooms-agree")
    processes, relay = Processes(folder), Relay()
    relay.start()
    env, credential = identity_server_settings(relay, GUICHET_LIMITS="off"), folder / "credential"
    credential.write_text("not known yet")
    homeserver = GuichetHomeserver(
        tmp_path_factory.mktemp("agents"),
        authority,
        guichet_url=env["GUICHET_PUBLIC_URL"],
        module={"credential_file": str(credential), "ca_file": str(authority.ca_file)},
    )
    made = World(processes, authority, homeserver, relay, env)
    credential.write_text(made.register())
    try:
        with trusted(authority):
            made.start()
            homeserver.start()
            yield made
    finally:
        homeserver.end()
        processes.end_all()
        relay.stop()


@pytest.fixture(scope="module")
def ana(world) -> User:
    made = User(world.homeserver, world.id_server)
    made.bind("ana@agents.example", world.relay)
    return made


@pytest.fixture
def room(ana) -> str:
    return ana.matrix("POST", "/createRoom", preset="private_chat")["room_id"]


@pytest.fixture(scope="module")
def is_heard(world, ana) -> Callable[[], None]:
    """The module has asked for the rules, and knows that Ana is an agent."""
    wait_for(
        lambda: ana.try_matrix("POST", "/createRoom").ok, what="the module knows who is an agent"
    )


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json().get("org.guichet.reason", answer.text)


@pytest.mark.usefixtures("is_heard")
def test_the_mail_leaves_once_the_module_reported_that_the_room_took_it(world, ana, room):
    address = "lea@agents.example"
    assert ana.invite(room, address).ok
    world.relay.wait_for_mail(address)
    [found] = world.invitations(address)
    assert found["awaits"] is None


@pytest.mark.usefixtures("is_heard")
def test_who_may_not_invite_reads_why_and_nothing_comes_to_guichet(world, ana, room):
    bo = User(world.homeserver, world.id_server)
    assert refusal(bo.invite(room, "x@agents.example")) == (403, "only_members_invite")
    ana.matrix("POST", f"/rooms/{room}/invite", user_id=bo.user_id)
    bo.join(room)
    assert refusal(bo.invite(room, "x@agents.example")) == (403, "no_right_to_invite")
    assert world.invitations("x@agents.example") == []


@pytest.mark.usefixtures("is_heard")
def test_a_member_invited_by_another_spelling_of_their_address_stays_one(world, ana, room):
    """Known by Guichet alone the address comes into the room and leaves it; known here it is told at once."""
    bo, typed = User(world.homeserver, world.id_server), "ANA@agents.example"
    levels = ana.matrix("GET", f"/rooms/{room}/state/m.room.power_levels/")
    ana.matrix("PUT", f"/rooms/{room}/state/m.room.power_levels/", **levels | {"invite": 0})
    ana.matrix("POST", f"/rooms/{room}/invite", user_id=bo.user_id)
    bo.join(room)

    def invited():
        state = ana.try_matrix("GET", f"/rooms/{room}/state").json()
        return [each["content"] for each in state if each["type"] == "m.room.third_party_invite"]

    assert bo.invite(room, typed).ok
    wait_for(lambda: invited() == [{}], what="the room is free of it", within=ASKED_AND_MORE)
    [found] = world.invitations("ana@agents.example")
    assert (found["state"], found["delivery"]) == ("joined", "superseded")
    assert ana.membership(room) == "join"

    path = f"/_synapse/admin/v2/users/{quote(ana.user_id)}"
    hers = [{"medium": "email", "address": "ana@agents.example"}]
    assert world.homeserver.call("PUT", path, json={"threepids": hers}).ok
    assert refusal(bo.invite(room, typed)) == (403, "already_in_the_room")


@pytest.mark.usefixtures("is_heard")
def test_what_happens_while_the_module_and_then_guichet_are_dead_is_held_seen_and_not_lost(
    world, ana, room
):
    """The room took one; the other never came to it, whatever a client told Guichet."""
    taken, lost = "bea@agents.example", "lost@agents.example"
    assert ana.invite(room, taken).ok
    world.homeserver.kill()
    asked = {"medium": "email", "address": lost, "room_id": room, "sender": ana.user_id}
    stored = ana.identity("POST", "/store-invite", **asked)
    assert stored.ok, stored.text

    def is_held():
        held = world.invitations(lost, "--held")
        return held and held[0]["attempts"] and held[0]["last_error"]

    wait_for(is_held, what="it is seen that the mail is held", within=ASKED_AND_MORE)
    world.web.kill()
    world.start()
    assert world.relay.to(lost) == []
    world.homeserver.start()
    world.relay.wait_for_mail(taken, within=ASKED_AND_MORE)
    wait_for(
        lambda: world.invitations(lost)[0]["state"] == "revoked",
        what="the room did not take it",
        within=ASKED_AND_MORE,
    )
    told = wait_for(
        lambda: [
            mail
            for mail in world.relay.to("ana@agents.example")
            if mail["X-Guichet-Template"].startswith("not_invited")
        ],
        what="Ana is told",
    )
    assert len(told) == 1
    assert world.relay.to(lost) == []
