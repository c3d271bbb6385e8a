"""Two real Synapses use Guichet as their identity server, over TLS with a private authority (06 2.6)."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.services.certificates import Authority
from tests.services.identity_server import (
    add_homeserver,
    identity_server_settings,
    serve_by_tls,
    trusted,
)
from tests.services.processes import Processes, Web
from tests.services.smtp import Relay
from tests.services.waiting import wait_for
from tests.worlds.matrix import PASSWORD, User

# Seconds: what a killed worker had in hand is taken up when its lease has run out, by the next sweep.
A_LEASE_AND_MORE = 150


@dataclass
class Guichet:
    """Knows both homeservers, each of an agents' domain of its own; may be killed and started again."""

    processes: Processes
    env: dict[str, str]
    relay: Relay
    authority: Authority
    web: Web | None = None

    @property
    def id_server(self) -> str:
        return self.env["GUICHET_PUBLIC_URL"].removeprefix("https://")

    def start(self) -> None:
        self.web = serve_by_tls(self.processes, self.env, self.authority)

    def kill(self) -> None:
        self.web.kill()

    def invitation_of(self, invited: str) -> dict[str, str]:
        """As an operator sees the only one of this address."""
        command = ("invitation", "list", "--address", invited)
        (found,) = self.processes.told(*command, env=self.env)["invitations"]
        return found


@pytest.fixture(scope="module")
def of_this_file(trusting_synapses, authority, processes_of_file) -> Iterator[Guichet]:
    processes, relay = processes_of_file, Relay()
    relay.start()
    made = Guichet(
        processes, identity_server_settings(relay, GUICHET_LIMITS="off"), relay, authority
    )
    try:
        for domain, homeserver in zip(
            ("one.example", "two.example"), trusting_synapses, strict=True
        ):
            add_homeserver(processes, made.env, homeserver)
            add = ("domain", "add", domain, "--homeserver", homeserver.server_name)
            processes.guichet(*add, env=made.env)
        with trusted(authority):
            made.start()
            yield made
    finally:
        relay.stop()


@pytest.fixture
def guichet(of_this_file) -> Guichet:
    """Running, whatever the test before did; each test has people and rooms of its own."""
    if not of_this_file.web.running:
        of_this_file.start()
    return of_this_file


@pytest.fixture
def id_server(guichet) -> str:
    return guichet.id_server


@pytest.fixture
def relay(guichet) -> Relay:
    return guichet.relay


def address(domain: str) -> str:
    return f"a{uuid.uuid4().hex[:8]}@{domain}"


def test_an_address_is_bound_looked_up_unbound_and_leaves_with_its_account(
    trusting_synapses, id_server, relay
):
    one, two = trusting_synapses
    camille, zoe = User(one, id_server), User(two, id_server)
    hers = address("one.example")
    camille.bind(hers, relay)
    assert zoe.look_up(hers) == camille.user_id

    where = {"medium": "email", "address": hers, "id_server": id_server}
    told = camille.matrix("POST", "/account/3pid/unbind", **where)
    assert told == {"id_server_unbind_result": "success"}
    assert zoe.look_up(hers) is None

    # With the last association the token ended: clients that are told so sign in again.
    camille.id_token = camille.sign_in()
    camille.bind(hers, relay)
    assert zoe.look_up(hers) == camille.user_id
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": camille.user_id},
        "password": PASSWORD,
    }
    told = camille.matrix("POST", "/account/deactivate", auth=auth)
    assert told == {"id_server_unbind_result": "success"}
    assert zoe.look_up(hers) is None


def test_who_was_invited_by_address_finds_the_invitation_once_the_address_is_bound(
    trusting_synapses, id_server, relay
):
    one, _ = trusting_synapses
    zoe, camille = User(one, id_server), User(one, id_server)
    hers = address("one.example")
    room = zoe.matrix("POST", "/createRoom", name="Cellule")["room_id"]
    assert zoe.invite(room, hers.upper()).ok
    mail = relay.wait_for_mail(hers)
    assert "/i/" in mail.get_body(("plain",)).get_content()
    assert camille.membership(room) is None
    camille.bind(hers, relay)
    camille.wait_for_invite(room)
    camille.join(room)
    assert camille.membership(room) == "join"


def test_the_invitation_crosses_to_another_homeserver(trusting_synapses, id_server, relay):
    one, two = trusting_synapses
    zoe, gil = User(one, id_server), User(two, id_server)
    his = address("two.example")
    room = zoe.matrix("POST", "/createRoom", name="Cellule")["room_id"]
    assert zoe.invite(room, his).ok
    relay.wait_for_mail(his)
    gil.bind(his, relay)
    gil.wait_for_invite(room)


def test_a_member_invited_by_another_spelling_of_their_address_stays_one(
    trusting_synapses, id_server, relay, guichet
):
    """Also the room's only owner, who would not come back by themselves."""
    one, _ = trusting_synapses
    zoe, camille = User(one, id_server), User(one, id_server)
    hers = address("one.example")
    zoe.bind(hers, relay)
    room = zoe.matrix("POST", "/createRoom", invite=[camille.user_id])["room_id"]
    levels = zoe.matrix("GET", f"/rooms/{room}/state/m.room.power_levels/")
    zoe.matrix("PUT", f"/rooms/{room}/state/m.room.power_levels/", **levels | {"invite": 0})
    camille.join(room)
    assert camille.invite(room, hers.upper()).ok
    wait_for(
        lambda: guichet.invitation_of(hers)["delivery"] == "superseded", what="nothing is sent"
    )
    assert zoe.membership(room) == "join"


def test_without_a_module_nothing_is_mailed_that_the_room_did_not_take(
    trusting_synapses, id_server, relay, guichet
):
    one, _ = trusting_synapses
    zoe, camille = User(one, id_server), User(one, id_server)
    owners = {"power_level_content_override": {"invite": 50}}
    room = zoe.matrix("POST", "/createRoom", invite=[camille.user_id], **owners)["room_id"]
    his = [address("one.example") for _ in range(2)]
    assert camille.invite(room, his[0]).status_code == 403
    camille.join(room)
    assert camille.invite(room, his[1]).status_code == 403

    def states():
        return [guichet.invitation_of(each)["state"] for each in his]

    wait_for(lambda: states() == ["revoked"] * 2, what="both ended", within=A_LEASE_AND_MORE)
    assert [relay.to(each) for each in his] == [[], []]


def test_an_address_of_another_homeserver_is_refused_with_its_reason(
    trusting_synapses, id_server, relay
):
    one, two = trusting_synapses
    gil = User(two, id_server)
    proof = gil.prove(address("one.example"), relay)
    where = {"id_server": id_server, "id_access_token": gil.id_token}
    answer = gil.try_matrix("POST", "/account/3pid/bind", **proof, **where)
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
    assert one.server_name in answer.json()["error"]


def test_a_homeserver_that_is_away_is_told_when_it_is_back(trusting_synapses, id_server, relay):
    one, two = trusting_synapses
    zoe, gil = User(one, id_server), User(two, id_server)
    his = address("two.example")
    room = zoe.matrix("POST", "/createRoom")["room_id"]
    assert zoe.invite(room, his).ok
    proof = gil.prove(his, relay)
    two.stop()
    bound = gil.identity("POST", "/3pid/bind", mxid=gil.user_id, **proof)
    assert bound.ok, bound.text
    two.start()
    gil.wait_for_invite(room)
    gil.join(room)
    wait_for(lambda: gil.membership(room) == "join", what="joined")


def test_a_guichet_that_was_killed_delivers_once_and_throws_no_member_back(
    guichet, trusting_synapses, id_server, relay
):
    one, _ = trusting_synapses
    zoe = User(one, id_server)
    for moment in (0.0, 0.1):
        camille, hers = User(one, id_server), address("one.example")
        room = zoe.matrix("POST", "/createRoom")["room_id"]
        assert zoe.invite(room, hers).ok
        camille.bind(hers, relay)
        time.sleep(moment)
        guichet.kill()
        guichet.start()
        camille.wait_for_invite(room, within=A_LEASE_AND_MORE)
        camille.join(room)
        guichet.kill()
        guichet.start()
        wait_for(
            lambda hers=hers: guichet.invitation_of(hers)["delivery"] == "delivered",
            what="the end of the delivery is known",
            within=A_LEASE_AND_MORE,
        )
        assert camille.membership(room) == "join"
