"""A worker killed in the middle of making an account, on a real Synapse: no takeover, no second account, no password left."""

import time

import pytest

from tests.services.holding import Holding
from tests.services.person import PASSWORD, Person, code_in, plain
from tests.services.production import ask_database
from tests.worlds.accounts_on_synapse import *

AGAIN = "another lamp beside the violet"

# A dead worker's lease lasts a minute.
pytestmark = [pytest.mark.long, pytest.mark.faults]


@pytest.fixture
def holding(synapse):
    between = Holding(synapse.url)
    yield between
    between.close()


@pytest.fixture
def on_synapse(production, guichet_processes, synapse, holding) -> dict[str, str]:
    """Guichet reaches the homeserver through what may hold a call."""
    return register_synapse(guichet_processes, production, synapse, url=holding.url)


@pytest.mark.parametrize(
    ("call", "ends"),
    [
        ({"method": "POST", "path": "/v1/register", "after": False}, "/account/1"),
        ({"method": "POST", "path": "/v1/register", "after": True}, "/account/1"),
        ({"method": "PUT", "path": "/v2/users/", "after": True, "skip": 1}, "/done"),
    ],
    ids=["before the call", "after the call", "when the account stands"],
)
def test_whenever_the_worker_dies_one_account_stands_with_the_password_the_person_knows(
    on_synapse,
    guichet_processes,
    smtp_server,
    synapse,
    holding,
    family,
    address,
    call,
    ends,
    record_fault,
):
    web = guichet_processes.web(on_synapse)
    worker = guichet_processes.worker(on_synapse, "--concurrency", "2")
    guichet_processes.beat(on_synapse)
    camille = Person(web.url)
    camille.ask(address)
    camille.type_code(code_in(plain(smtp_server.wait_for_mail(address))))
    holding.hold(**call)
    camille.send(password=PASSWORD, password_again=PASSWORD)
    assert camille.page.url.endswith("/account/1/progress")
    assert holding.held.wait(90)
    assert ask_database(on_synapse, "select 1 from typed_passwords") == []
    worker.kill()
    began = time.monotonic()
    holding.drop()
    another = guichet_processes.worker(on_synapse, "--concurrency", "2")
    camille.wait_until_made()
    assert camille.page.url.endswith(ends)
    seconds = time.monotonic() - began
    password = PASSWORD
    if ends != "/done":
        assert "n’a pas été gardé" in camille.page.text
        password = AGAIN
        assert camille.choose(password).url.endswith("/account/1/done")
    by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": address}
    assert synapse.log_in(by_mail, password).status_code == 200
    if password != PASSWORD:
        assert synapse.log_in(by_mail, PASSWORD).status_code == 403
    accounts = synapse.call("GET", f"/_synapse/admin/v2/users?name={family}").json()["users"]
    assert len([each for each in accounts if family in each["name"]]) == 1
    record_fault(
        "processes: worker killed while it makes an account",
        tried=1,
        survived=1,
        seconds=seconds,
        said="the page: done, or choose the password once more",
    )
    logs = web.log + worker.log + another.log
    assert PASSWORD not in logs
    assert AGAIN not in logs
