"""A homeserver accepts connections and says nothing: whoever names it, the site stays open for everybody else."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from identity.core.rate_limits import KEY_REQUESTS
from identity.homeservers import models as homeservers
from identity.homeservers.calls import AT_ONCE, BUSY_SECONDS
from tests.services.keys import KEYS
from tests.services.peer import Peer
from tests.services.waiting import wait_for
from tests.worlds.api import *

V2 = "/_matrix/identity/v2"
NAME, OTHER = "education.example", "guests.example"
MANY = 40
LONG = 60.0  # seconds


@pytest.fixture
def site(guichet_processes, empty_sqlite_url, silent_peer):
    """One process of the public site, as deploy/systemd starts it, and two homeservers: one silent, one well."""
    env = {
        **KEYS,
        "GUICHET_DATABASE_URL": empty_sqlite_url,
        "GUICHET_PUBLIC_URL": "http://127.0.0.1:8090",
    }
    guichet = guichet_processes.guichet
    guichet("db", "upgrade", env=env)
    well = Peer(OTHER)
    for name, url in ((NAME, silent_peer.url), (OTHER, well.url)):
        guichet("homeserver", "add", name, "--url", url, "--label", name, env=env)
    web = guichet_processes.web(env)
    yield web, well
    well.close()


def register(url: str, name: str, token: str) -> requests.Response:
    facts = {"access_token": token, "matrix_server_name": name, "expires_in": 3600}
    return requests.post(f"{url}{V2}/account/register", json=facts, timeout=LONG)


def unbind(url: str, name: str) -> requests.Response:
    """Anybody can name a homeserver in this header."""
    header = f'X-Matrix origin="{name}",key="ed25519:a",sig="x"'
    body = {"threepid": {"medium": "email", "address": "a@b.example"}, "mxid": f"@ana:{name}"}
    return requests.post(
        f"{url}{V2}/3pid/unbind", json=body, headers={"Authorization": header}, timeout=LONG
    )


@pytest.mark.faults
@pytest.mark.parametrize(
    "name_it",
    [lambda url, number: register(url, NAME, f"t{number}"), lambda url, _: unbind(url, NAME)],
    ids=["OpenID tokens", "X-Matrix"],
)
def test_40_callers_of_a_silent_homeserver_do_not_stop_the_site(
    site, silent_peer, record_fault, name_it: Callable[[str, int], requests.Response]
):
    web, well = site
    well.users["zoe"] = f"@zoe:{OTHER}"
    with ThreadPoolExecutor(MANY) as pool:
        callers = [pool.submit(name_it, web.url, number) for number in range(MANY)]
        wait_for(
            lambda: sum(each.done() for each in callers) >= MANY - AT_ONCE,
            what="all but two have an answer",
        )
        longest, answers = 0.0, []
        for ask in (
            lambda: requests.get(f"{web.url}/start", timeout=LONG),
            lambda: requests.get(f"{web.url}{V2}", timeout=LONG),
            lambda: register(web.url, OTHER, "zoe"),
        ) * 10:
            begun = time.monotonic()
            answers.append(ask().status_code)
            longest = max(longest, time.monotonic() - begun)
        are_held = [each for each in callers if not each.done()]
        silent_peer.hangs_up.set()
        ends = [each.result(LONG) for each in callers]
    assert answers == [200] * 30
    assert {each.status_code for each in ends} == {503}
    assert {each.json()["errcode"] for each in ends} == {"M_UNKNOWN"}
    assert all(int(each.headers["Retry-After"]) >= BUSY_SECONDS for each in ends)
    assert 1 <= silent_peer.connections <= MANY // 4, "few were called"
    record_fault(
        f"homeserver: silent, and {MANY} callers name it",
        tried=len(answers),
        survived=answers.count(200),
        seconds=longest,
        said=f"the site goes on; callers: 503 with Retry-After, {len(are_held)} had to wait",
    )


def test_from_one_network_only_so_many_requests_make_us_ask_for_keys(public, services, clock):
    """By then the homeserver has its own rest: it was found away."""
    with services.database.transaction() as session:
        homeservers.find(session, NAME).url = "http://127.0.0.1:1"
    header = {"Authorization": f'X-Matrix origin="{NAME}",key="ed25519:a",sig="x"'}
    body = {"threepid": {"medium": "email", "address": "a@b.example"}, "mxid": f"@ana:{NAME}"}

    def name_it(network: str) -> int:
        clock.advance(minutes=2)  # by then its keys may be asked for again
        headers = {**header, "X-Forwarded-For": network}
        return public.post(f"{V2}/3pid/unbind", json=body, headers=headers).status_code

    assert {name_it("198.51.100.7") for _ in range(KEY_REQUESTS.amount)} == {503}
    assert name_it("198.51.100.7") == 429
    assert name_it("198.51.100.8") == 503
