"""A homeserver whose module asks Guichet before each invitation by mail; both ends of it are told what to answer."""

from collections.abc import Iterator

import pytest

from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.told_guichet import told_rule
from tests.services.told_identity_server import ToldIdentityServer

__all__ = ["ana", "identity_server"]


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
    told_guichet.is_frozen = False
