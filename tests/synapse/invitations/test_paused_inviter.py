"""On a real Synapse: who may not invite by mail reads why, in place of the 500 that Synapse makes of store-invite."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.told_guichet import told_rule
from tests.services.told_identity_server import ToldIdentityServer

pytestmark = pytest.mark.synapse


@pytest.fixture
def identity_server(authority) -> Iterator[ToldIdentityServer]:
    server = ToldIdentityServer(authority.issue("localhost", "127.0.0.1"))
    yield server
    server.close()


@pytest.fixture
def ana(tmp_path, authority, told_guichet, identity_server) -> Iterator[Person]:
    """An agent on a homeserver with our module."""
    agents = GuichetHomeserver(tmp_path, authority, guichet_url=told_guichet.url)
    told_guichet.sources = {agents.server_name: "agent"}
    told_guichet.rules = [told_rule("suffix", "agents.example", "agent", agents.server_name)]
    told_guichet.identity_server = identity_server.facts
    with started(agents):
        yield Person(agents, "ana")


def test_an_agent_whose_invitations_are_paused_reads_why(ana, told_guichet, identity_server):
    room = f"/rooms/{quote(ana.create())}/invite"
    whom = {"medium": "email", "address": "new@agents.example"}
    whom |= {"id_server": identity_server.name, "id_access_token": "anything"}
    told_guichet.paused = {ana.user_id}
    refused = ana.ask("POST", room, **whom)
    assert refused.status_code == 403
    told = refused.json()
    assert (told["errcode"], told["org.guichet.reason"]) == ("M_FORBIDDEN", "invitations_paused")
    assert told["error"].startswith("Plusieurs personnes que vous avez invitées")
    assert set(told["org.guichet.message"]) == {"fr", "en"}
    assert identity_server.invited == []
    told_guichet.paused = set()
    assert ana.ask("POST", room, **whom).ok
