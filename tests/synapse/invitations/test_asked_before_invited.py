"""On a real Synapse: what Guichet says of an invitation by mail before it is made, and what follows if it says nothing."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from requests import Response

from domain_rules.synapse_modules.turns import AT_ONCE
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.told_guichet import ToldGuichet, told_rule
from tests.services.told_identity_server import ToldIdentityServer
from tests.services.waiting import wait_for

pytestmark = pytest.mark.synapse

MANY = 40
LONG = 60.0  # seconds; a callback may take 15


@pytest.fixture(scope="module")
def identity_server(authority) -> Iterator[ToldIdentityServer]:
    server = ToldIdentityServer(authority.issue("localhost", "127.0.0.1"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def ana(tmp_path_factory, authority, told_guichet, identity_server) -> Iterator[Person]:
    """An agent on a homeserver with our module."""
    folder = tmp_path_factory.mktemp("agents")
    agents = GuichetHomeserver(folder, authority, guichet_url=told_guichet.url)
    told_guichet.sources = {agents.server_name: "agent"}
    told_guichet.rules = [told_rule("suffix", "agents.example", "agent", agents.server_name)]
    told_guichet.identity_server = identity_server.facts
    with started(agents):
        yield Person(agents, "ana")


@pytest.fixture
def room_id(ana) -> str:
    return ana.create()


@pytest.fixture
def invite(ana, room_id, identity_server) -> Callable[[str], Response]:
    """Ana invites an address to her room."""

    def invite(address: str) -> Response:
        whom = {"medium": "email", "address": address}
        whom |= {"id_server": identity_server.name, "id_access_token": "anything"}
        return ana.ask("POST", f"/rooms/{quote(room_id)}/invite", **whom)

    return invite


def test_an_agent_whose_invitations_are_paused_reads_why(
    ana, invite, told_guichet, identity_server
):
    """In place of the 500 that Synapse makes of store-invite."""
    address = "new@agents.example"
    told_guichet.paused = {ana.user_id}
    refused = invite(address)
    told_guichet.paused = set()
    assert refused.status_code == 403
    told = refused.json()
    assert (told["errcode"], told["org.guichet.reason"]) == ("M_FORBIDDEN", "invitations_paused")
    assert told["error"].startswith("Plusieurs personnes que vous avez invitées")
    assert set(told["org.guichet.message"]) == {"fr", "en"}
    assert identity_server.invited == []
    assert invite(address).ok


@pytest.fixture
def frozen_guichet(told_guichet) -> Iterator[ToldGuichet]:
    told_guichet.is_frozen = True
    yield told_guichet
    told_guichet.is_frozen = False


@pytest.mark.faults
def test_40_invitations_at_once_wait_for_a_frozen_guichet_no_longer_than_one(
    ana, room_id, invite, frozen_guichet, record_fault
):
    """The identity server decides then, as always while Guichet does not answer."""
    begun = time.monotonic()
    with ThreadPoolExecutor(MANY) as pool:
        addresses = [f"new{number}@agents.example" for number in range(MANY)]
        asked = [pool.submit(invite, address) for address in addresses]
        wait_for(lambda: frozen_guichet.held == AT_ONCE, what="the first questions are under way")
        ana.do(
            "PUT",
            f"/rooms/{quote(room_id)}/send/m.room.message/1",
            msgtype="m.text",
            body="Synapse goes on",
        )
        survived = sum(each.result(LONG).ok for each in asked)
    seconds = time.monotonic() - begun
    assert survived == MANY
    assert frozen_guichet.most_held == AT_ONCE
    wait_for(lambda: frozen_guichet.held == 0, what="no connection is left open")
    assert seconds < LONG
    record_fault(
        f"module: Guichet frozen, {MANY} invitations asked about in Synapse",
        tried=MANY,
        survived=survived,
        seconds=seconds,
        said="GuichetUnreachable in Synapse's log",
    )
