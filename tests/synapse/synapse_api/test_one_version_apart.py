"""Module and service need not be renewed in the same moment: each runs with the other as it was one version before."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import requests

from tests.services.guichet_synapse import GuichetHomeserver, started
from tests.services.identity_server import identity_server_settings, serve_by_tls, trusted
from tests.services.processes import ROOT, Processes, read_json
from tests.services.smtp import Relay
from tests.services.waiting import wait_for
from tests.worlds.matrix import User

pytestmark = [pytest.mark.synapse, pytest.mark.processes]

AGENTS, LATER, GUESTS = "agents.example", "later.example", "asso.example"
RULE = "im.vector.room.access_rules"
OPEN = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}


@dataclass
class Pair:
    """A Guichet and a homeserver of agents and guests, one of the two of the version before."""

    homeserver: GuichetHomeserver
    processes: Processes
    environment: dict[str, str]
    relay: Relay
    other_credential: str = ""

    @property
    def id_server(self) -> str:
        return self.environment["GUICHET_PUBLIC_URL"].removeprefix("https://")

    def run(self, *argv: str) -> str:
        return self.processes.run("guichet", *argv, env=self.environment)

    def json(self, *argv: str) -> dict:
        return read_json(self.run(*argv, "--json"))

    def register(self, authority) -> None:
        """The homeserver of the pair, by its name in TLS; another that only listens; the rules."""
        name = self.homeserver.server_name
        ca = ("--ca-file", str(authority.ca_file))
        where = ("--url", self.homeserver.url, "--federation-url", self.homeserver.federation_url)
        kind = ("--class-source", "by_person", *ca)
        made = self.json("homeserver", "add", name, *where, *kind)
        self.homeserver.configure(credential=made["credential"])
        other = self.json("homeserver", "add", "other.example", "--url", "https://other.example")
        self.other_credential = other["credential"]
        self.run("domain", "add", AGENTS, "--homeserver", name)
        self.run("domain", "add", GUESTS, "--guest", "--homeserver", name)

    def is_open(self, address: str) -> bool:
        """Whether the service goes by a rule for this address."""
        url = f"{self.environment['GUICHET_PUBLIC_URL']}/_matrix/identity/api/v1/info"
        asked = {"medium": "email", "address": address}
        told = requests.get(url, params=asked, timeout=60).json()
        return told.get("hs") == self.homeserver.server_name

    def agents_elsewhere(self) -> list[str]:
        """Whom another homeserver is told of as agents."""
        url = f"{self.environment['GUICHET_PUBLIC_URL']}/api/homeserver/v1/agents?since=0"
        headers = {"Authorization": f"Bearer {self.other_credential}"}
        return list(requests.get(url, headers=headers, timeout=60).json()["added"])

    def has_address(self, user: User, address: str) -> None:
        path = f"/_synapse/admin/v2/users/{quote(user.user_id)}"
        told = {"threepids": [{"medium": "email", "address": address}]}
        assert self.homeserver.call("PUT", path, json=told).ok

    def becomes_an_agent(self, user: User) -> None:
        made = {"preset": "private_chat"}
        what = f"{user.user_id} may make a room"
        wait_for(lambda: user.try_matrix("POST", "/createRoom", **made).ok, what=what, pause=0.3)


@pytest.fixture(params=["the module is older", "the service is older"])
def pair(request, tmp_path, authority, smtp_server, guichet_before) -> Iterator[Pair]:
    trees = {"module": ROOT, "service": ROOT} | {request.param.split()[1]: guichet_before}
    processes = Processes(tmp_path, tree=trees["service"])
    environment = identity_server_settings(smtp_server, GUICHET_LIMITS="off")
    (tmp_path / "homeserver").mkdir()
    module = {"ca_file": str(authority.ca_file)}
    homeserver = GuichetHomeserver(
        tmp_path / "homeserver",
        authority,
        guichet_url=environment["GUICHET_PUBLIC_URL"],
        module=module,
    )
    homeserver.tree = trees["module"]
    try:
        made = Pair(homeserver, processes, environment, smtp_server)
        made.register(authority)
        with trusted(authority):
            serve_by_tls(processes, environment, authority)
            with started(homeserver):
                yield made
    finally:
        processes.end_all()


@pytest.mark.faults
def test_people_rooms_and_invitations_by_mail_are_as_they_should_be(
    pair, guichet_before, record_fault
):
    assert {pair.homeserver.tree, pair.processes.tree} == {ROOT, guichet_before}
    zoe, gil = (User(pair.homeserver, pair.id_server) for _ in range(2))
    pair.has_address(zoe, f"zoe@{AGENTS}")
    pair.becomes_an_agent(zoe)
    assert gil.try_matrix("POST", "/createRoom").status_code == 403
    wait_for(lambda: zoe.user_id in pair.agents_elsewhere(), what="others hear of the agent")

    # A rule that is published while both run, with a sign that lines of eight values have no place for.
    add = ("domain", "add", LATER, "--homeserver", pair.homeserver.server_name)
    pair.run(*add, "--extra-signs", "&")
    wait_for(lambda: pair.is_open(f"r&d@{LATER}"), what="the rule is in force")
    pair.has_address(gil, f"r&d@{LATER}")
    pair.becomes_an_agent(gil)
    wait_for(lambda: gil.user_id in pair.agents_elsewhere(), what="others hear of it too")

    # An invitation: the mail leaves, and who proves the address is invited.
    room = zoe.matrix("POST", "/createRoom", name="Budget", initial_state=[OPEN])["room_id"]
    address = f"nina@{GUESTS}"
    assert zoe.invite(room, address).ok
    pair.relay.wait_for_mail(address)
    nina = User(pair.homeserver, pair.id_server)
    pair.has_address(nina, address)
    nina.wait_for_invite(room)
    nina.join(room)

    # Another is taken back: Guichet has the module empty it in the room.
    before = tokens(zoe, room)
    assert zoe.invite(room, f"lou@{GUESTS}").ok
    pair.relay.wait_for_mail(f"lou@{GUESTS}")
    assert len(tokens(zoe, room)) == len(before) + 1
    (waiting,) = pair.json("invitation", "list", "--address", f"lou@{GUESTS}")["invitations"]
    pair.run("invitation", "revoke", waiting["id"])
    wait_for(lambda: tokens(zoe, room) == before, what="the room forgets the invitation")
    record_fault("upgrade: service and module of two versions", tried=5, survived=5, said="nothing")


def tokens(person: User, room: str) -> set[str]:
    """The invitations by mail that stand open in the room."""
    state = person.matrix("GET", f"/rooms/{quote(room)}/state")
    return {
        event["state_key"]
        for event in state
        if event["type"] == "m.room.third_party_invite" and event["content"].get("public_key")
    }
