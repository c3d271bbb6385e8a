"""A homeserver in worker mode: one process asks Guichet, the others decide as it does."""

from collections.abc import Iterator

import pytest
import requests

from tests.services.guichet_synapse import Person, started
from tests.services.synapse_workers import WorkerHomeserver
from tests.services.told_guichet import ToldGuichet, told_rule
from tests.services.waiting import wait_for

pytestmark = [pytest.mark.synapse, pytest.mark.postgresql, pytest.mark.redis]


@pytest.fixture
def guichet(authority) -> Iterator[ToldGuichet]:
    """Over TLS, with a certificate of an authority that only the module's block names."""
    made = ToldGuichet(authority.issue("localhost", "127.0.0.1"))
    yield made
    made.stop()


@pytest.fixture
def homeserver(
    tmp_path, authority, guichet, postgresql_server, redis_url
) -> Iterator[WorkerHomeserver]:
    made = WorkerHomeserver(
        tmp_path,
        authority,
        server=postgresql_server,
        redis=redis_url,
        guichet_url=guichet.url,
        module={"ca_file": str(authority.ca_file)},
    )
    guichet.sources = {made.server_name: "by_person"}
    guichet.rules = [
        told_rule("suffix", "agents.example", "agent", made.server_name),
        told_rule("default", "", "guest", made.server_name, requires_invite=True),
    ]
    with started(made):
        yield made


def test_a_worker_knows_what_the_main_process_was_told(homeserver, guichet):
    mia = Person(homeserver, "mia")

    def create() -> requests.Response:
        return requests.post(
            f"{homeserver.worker_url}/_matrix/client/v3/createRoom",
            json={},
            headers=mia.authorization,
            timeout=60,
        )

    refused = create()
    assert refused.status_code == 403
    assert refused.json()["org.guichet.reason"] == "guest_may_not_create_room"
    mia.verifies("mia@agents.example")  # told to the main process alone
    wait_for(lambda: create().ok, what="the worker lets Mia, an agent now, create a room")
    guichet.publish(guichet.rules[-1])
    wait_for(lambda: not create().ok, what="the worker has heard that her domain is closed")
    whole = [status for path, status in guichet.asked if "/rules?" in path]
    assert whole.count(200) == 2
    for log in (homeserver.log, homeserver.worker_log):
        assert "Guichet's module is on" in log
        assert ' 500 "' not in log  # what Synapse notes of each request
    for log in (homeserver.log, homeserver.worker_log):
        assert "loads the room's state for every event" not in log  # see event_checks.py
