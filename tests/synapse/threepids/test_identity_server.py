"""Two real Synapses use Guichet as their identity server, over TLS with a private authority (06 2.6)."""

import json
import time
import uuid
from collections.abc import Callable

import pytest

from tests.services.processes import Web
from tests.services.waiting import free_port, port_answers, wait_for
from tests.worlds.matrix import PASSWORD, User

# Seconds: what a killed worker had in hand is taken up when its lease has run out, by the next sweep.
A_LEASE_AND_MORE = 150


@pytest.fixture
def environment(
    guichet_processes, trusting_synapses, authority, smtp_server, tmp_path, monkeypatch
) -> dict[str, str]:
    """The settings of a Guichet that knows both homeservers, each of an agents' domain of its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    port = free_port()
    env = {
        "GUICHET_PUBLIC_URL": f"https://localhost:{port}",
        "GUICHET_SERVER_NAME": "is.example",
        "GUICHET_SERVER_ALIASES": f"localhost:{port}",
        "GUICHET_SMTP_URL": smtp_server.url,
        "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
        "GUICHET_INTERNAL_LISTEN": "",
        "GUICHET_LIMITS": "off",
    }
    for domain, homeserver in zip(("one.example", "two.example"), trusting_synapses, strict=True):
        secret, token = tmp_path / "secret", tmp_path / "token"
        secret.write_text(homeserver.registration_secret)
        token.write_text(homeserver.admin_token)
        guichet_processes.guichet(
            *("homeserver", "add", homeserver.server_name, "--url", homeserver.url),
            *("--federation-url", homeserver.federation_url, "--connector", "synapse"),
            *("--ca-file", str(authority.ca_file)),
            *("--registration-secret-file", str(secret), "--admin-token-file", str(token)),
            env=env,
        )
        add = ("domain", "add", domain, "--homeserver", homeserver.server_name)
        guichet_processes.guichet(*add, env=env)
    return env


@pytest.fixture
def start_guichet(environment, guichet_processes, authority) -> Callable[[], Web]:
    """`guichet serve` over TLS; started again, it goes on with what it had."""
    certificate = authority.issue("localhost", "127.0.0.1")
    tls = ("--tls-certificate", str(certificate.certificate), "--tls-key", str(certificate.key))
    url = environment["GUICHET_PUBLIC_URL"]
    port = int(url.rpartition(":")[2])
    command = ("guichet", "serve", "--port", str(port), *tls)

    def start() -> Web:
        # The processes of one that was killed end by themselves, a moment later.
        wait_for(lambda: not port_answers(port), what="the port is free")
        web = guichet_processes.start(*command, env=environment, kind=Web)
        web.url = url
        web.wait_until_up()
        web.wait_for_log("Stop with Ctrl-C")
        return web

    return start


@pytest.fixture
def guichet(start_guichet) -> Web:
    return start_guichet()


@pytest.fixture
def deliveries(environment, guichet_processes) -> Callable[[], dict[str, int]]:
    """How many invitations stand where, as an operator sees it."""

    def deliveries() -> dict[str, int]:
        said = guichet_processes.guichet("invitation", "list", "--json", env=environment)
        return json.loads(said[said.index("{") :])["counts"]

    return deliveries


@pytest.fixture
def id_server(guichet) -> str:
    return guichet.url.removeprefix("https://")


def address(domain: str) -> str:
    return f"a{uuid.uuid4().hex[:8]}@{domain}"


def test_an_address_is_bound_looked_up_unbound_and_leaves_with_its_account(
    trusting_synapses, id_server, smtp_server
):
    one, two = trusting_synapses
    camille, zoe = User(one, id_server), User(two, id_server)
    hers = address("one.example")
    camille.bind(hers, smtp_server)
    assert zoe.look_up(hers) == camille.user_id

    where = {"medium": "email", "address": hers, "id_server": id_server}
    told = camille.matrix("POST", "/account/3pid/unbind", **where)
    assert told == {"id_server_unbind_result": "success"}
    assert zoe.look_up(hers) is None

    # With the last association the token ended: clients that are told so sign in again.
    camille.id_token = camille.sign_in()
    camille.bind(hers, smtp_server)
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
    trusting_synapses, id_server, smtp_server
):
    one, _ = trusting_synapses
    zoe, camille = User(one, id_server), User(one, id_server)
    hers = address("one.example")
    room = zoe.matrix("POST", "/createRoom", name="Cellule")["room_id"]
    assert zoe.invite(room, hers.upper()).ok
    mail = smtp_server.wait_for_mail(hers)
    assert "/i/" in mail.get_body(("plain",)).get_content()
    assert camille.membership(room) is None
    camille.bind(hers, smtp_server)
    camille.wait_for_invite(room)
    camille.join(room)
    assert camille.membership(room) == "join"


def test_the_invitation_crosses_to_another_homeserver(trusting_synapses, id_server, smtp_server):
    one, two = trusting_synapses
    zoe, gil = User(one, id_server), User(two, id_server)
    his = address("two.example")
    room = zoe.matrix("POST", "/createRoom", name="Cellule")["room_id"]
    assert zoe.invite(room, his).ok
    smtp_server.wait_for_mail(his)
    gil.bind(his, smtp_server)
    gil.wait_for_invite(room)


def test_a_member_invited_by_another_spelling_of_their_address_stays_one(
    trusting_synapses, id_server, smtp_server, deliveries
):
    """Also the room's only owner, who would not come back by themselves."""
    one, _ = trusting_synapses
    zoe, camille = User(one, id_server), User(one, id_server)
    hers = address("one.example")
    zoe.bind(hers, smtp_server)
    room = zoe.matrix("POST", "/createRoom", invite=[camille.user_id])["room_id"]
    levels = zoe.matrix("GET", f"/rooms/{room}/state/m.room.power_levels/")
    zoe.matrix("PUT", f"/rooms/{room}/state/m.room.power_levels/", **levels | {"invite": 0})
    camille.join(room)
    assert camille.invite(room, hers.upper()).ok
    wait_for(lambda: deliveries() == {"superseded": 1}, what="nothing is sent")
    assert zoe.membership(room) == "join"


def test_without_a_module_nothing_is_mailed_that_the_room_did_not_take(
    trusting_synapses, id_server, smtp_server, environment, guichet_processes
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
        command = ("invitation", "list", "--json")
        said = guichet_processes.guichet(*command, env=environment)
        return json.loads(said[said.index("{") :])["states"]

    wait_for(lambda: states() == {"revoked": 2}, what="both ended", within=A_LEASE_AND_MORE)
    assert [smtp_server.to(each) for each in his] == [[], []]


def test_an_address_of_another_homeserver_is_refused_with_its_reason(
    trusting_synapses, id_server, smtp_server
):
    one, two = trusting_synapses
    gil = User(two, id_server)
    proof = gil.prove(address("one.example"), smtp_server)
    where = {"id_server": id_server, "id_access_token": gil.id_token}
    answer = gil.try_matrix("POST", "/account/3pid/bind", **proof, **where)
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
    assert one.server_name in answer.json()["error"]


def test_a_homeserver_that_is_away_is_told_when_it_is_back(
    trusting_synapses, id_server, smtp_server
):
    one, two = trusting_synapses
    zoe, gil = User(one, id_server), User(two, id_server)
    his = address("two.example")
    room = zoe.matrix("POST", "/createRoom")["room_id"]
    assert zoe.invite(room, his).ok
    proof = gil.prove(his, smtp_server)
    two.stop()
    bound = gil.identity("POST", "/3pid/bind", mxid=gil.user_id, **proof)
    assert bound.ok, bound.text
    two.start()
    gil.wait_for_invite(room)
    gil.join(room)
    wait_for(lambda: gil.membership(room) == "join", what="joined")


def test_a_guichet_that_was_killed_delivers_once_and_throws_no_member_back(
    guichet, start_guichet, deliveries, trusting_synapses, id_server, smtp_server
):
    one, _ = trusting_synapses
    zoe = User(one, id_server)
    for number, moment in enumerate((0.0, 0.1), start=1):
        camille, hers = User(one, id_server), address("one.example")
        room = zoe.matrix("POST", "/createRoom")["room_id"]
        assert zoe.invite(room, hers).ok
        camille.bind(hers, smtp_server)
        time.sleep(moment)
        guichet.kill()
        guichet = start_guichet()
        camille.wait_for_invite(room, within=A_LEASE_AND_MORE)
        camille.join(room)
        guichet.kill()
        guichet = start_guichet()
        wait_for(
            lambda number=number: deliveries() == {"delivered": number},
            what="the end of the delivery is known",
            within=A_LEASE_AND_MORE,
        )
        assert camille.membership(room) == "join"
