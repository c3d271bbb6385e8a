"""The people search of a real Synapse where agents and guests live together."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import requests

from domain_rules.synapse_modules.agents_only import PATH as AGENTS_ONLY
from identity.core.findings import Finding, State
from identity.core.http_client import JsonClient
from identity.health.checks import exposure as homeserver_doors, proxy_exposure as homeserver_proxy
from tests.services.guichet_synapse import CLIENT, GuichetHomeserver, Person, started
from tests.services.homeserver_proxy import before
from tests.services.told_guichet import told_rule
from tests.services.waiting import LOOPBACK, wait_for

pytestmark = pytest.mark.synapse

HIDE_PROFILE = "im.vector.hide_profile"
PREFIX = "chercheuse"  # of all names here, so that one word finds everybody


@pytest.fixture(scope="module")
def homeserver(tmp_path_factory, authority, told_guichet) -> Iterator[GuichetHomeserver]:
    homeserver = GuichetHomeserver(
        tmp_path_factory.mktemp("mixed"),
        authority,
        guichet_url=told_guichet.url,
        user_directory={"enabled": True, "search_all_users": True},
        # With Synapse's cache of who shares no room left on: the doctor tells.
        experimental_features={"msc4263_limit_key_queries_to_users_who_share_rooms": True},
    )
    told_guichet.sources = {homeserver.server_name: "by_person"}
    rule = told_rule("domain", "ac-rouen.example", "agent", homeserver.server_name)
    told_guichet.publish(rule)
    with started(homeserver):
        yield homeserver


@pytest.fixture
def agent(homeserver) -> Callable[[str], Person]:
    """Somebody with an agent's address."""

    def agent(name: str) -> Person:
        person = Person(homeserver, f"{PREFIX}-{name}")
        path = f"/_synapse/admin/v2/users/{quote(person.user_id)}"
        address = {"medium": "email", "address": f"{name}@ac-rouen.example"}
        assert homeserver.call("PUT", path, json={"threepids": [address]}).ok
        return person

    return agent


def found_by(person: Person) -> set[str]:
    return person.finds(PREFIX)


def hide(person: Person, *, hidden: bool) -> None:
    path = f"/user/{quote(person.user_id)}/account_data/{HIDE_PROFILE}"
    person.do("PUT", path, hide_profile=hidden)


def test_guests_find_nobody_and_are_not_found_and_who_hides_is_hidden(homeserver, agent):
    gil = Person(homeserver, f"{PREFIX}-gil")
    ana, bea, zoe = agent("ana"), agent("bea"), agent("zoe")
    wait_for(lambda: zoe.user_id in found_by(ana), what="an agent finds another")
    assert gil.user_id not in found_by(ana)
    assert found_by(gil) == set()
    assert ana.finds("guichet-admin") == set()  # the administrator, as whom Guichet calls

    hide(zoe, hidden=True)
    wait_for(lambda: zoe.user_id not in found_by(ana), what="who hides is hidden")
    homeserver.stop()
    homeserver.start()
    wait_for(lambda: bea.user_id in found_by(ana), what="the list is read again")
    assert zoe.user_id not in found_by(ana)
    assert found_by(gil) == set()

    hide(zoe, hidden=False)
    wait_for(lambda: zoe.user_id in found_by(ana), what="and comes back")
    refused = 'guichet_refusals_total{mode="enforce",reason="guest_may_not_search_people"}'
    assert homeserver.metrics[refused] >= 1


def test_the_doctor_tells_what_stands_open_and_the_proxy_may_ask_who_is_an_agent(
    homeserver, agent, told_guichet
):
    facts = {"class_source": "by_person", "token": homeserver.admin_token}
    revision = told_guichet.revision
    with JsonClient(homeserver.url) as talk:
        found = homeserver_doors.check_exposure(
            talk, homeserver.server_name, revision=revision, **facts
        )
        mended = " ".join(each.fix for each in found)
    assert "deploy/synapse-mixed.conf" in mended
    assert "limit_profile_requests" in mended
    assert "module" not in mended
    eve, hugo = agent("eve"), Person(homeserver, f"{PREFIX}-hugo")
    wait_for(lambda: eve.ask("GET", AGENTS_ONLY).status_code == 200, what="an agent passes")
    refused = hugo.ask("GET", AGENTS_ONLY)
    assert (refused.status_code, refused.json()["org.guichet.reason"]) == (403, "not_allowed")
    assert homeserver.call("GET", AGENTS_ONLY, token="nobody's").status_code == 401


@pytest.fixture
def proxy(homeserver, tmp_path) -> Iterator[str]:
    """Where clients ask: nginx with our file, before the homeserver."""
    synapse = f"{LOOPBACK}:{homeserver.port}"
    with before(tmp_path / "nginx", synapse, identity_server="guichet.example.org") as here:
        yield f"http://{here}"


def through(proxy: str, person: Person, method: str, path: str, **body: str) -> requests.Response:
    url = proxy + CLIENT + path
    headers = person.authorization | {"Origin": "https://client.example"}
    return requests.request(method, url, json=body, headers=headers, timeout=60)


def test_the_proxy_closes_to_guests_what_no_module_can_and_nothing_else(homeserver, agent, proxy):
    ivy, jim = agent("ivy"), Person(homeserver, f"{PREFIX}-jim")
    wait_for(lambda: ivy.ask("GET", AGENTS_ONLY).status_code == 200, what="Ivy is an agent")
    rule = {"type": "im.vector.room.access_rules", "content": {"rule": "unrestricted"}}
    opened = [rule | {"state_key": ""}]
    room = ivy.do("POST", "/createRoom", initial_state=opened, room_alias_name="jardin")["room_id"]
    alias = quote(f"#jardin:{homeserver.server_name}", safe="")
    assert jim.ask("GET", f"/directory/room/{alias}").ok  # Synapse itself
    for method, path in (
        ("GET", f"/directory/room/{alias}"),
        ("POST", f"/join/{alias}"),
        ("POST", f"/knock/{alias}"),
        ("GET", f"/rooms/{quote(room)}/initialSync"),
        ("GET", "/publicRooms"),
    ):
        refused = through(proxy, jim, method, path)
        assert (refused.status_code, refused.json()["errcode"]) == (403, "M_FORBIDDEN"), path
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        beforehand = requests.options(proxy + CLIENT + path, timeout=60)
        assert "Authorization" in beforehand.headers["Access-Control-Allow-Headers"]
    assert through(proxy, ivy, "GET", f"/directory/room/{alias}").json()["room_id"] == room
    assert through(proxy, ivy, "POST", f"/rooms/{quote(room)}/invite", user_id=jim.user_id).ok
    assert through(proxy, jim, "POST", f"/join/{quote(room)}").ok
    by_mail = {"medium": "email", "address": "a@b.example", "id_access_token": "x"}
    refused = through(
        proxy, ivy, "POST", f"/rooms/{quote(room)}/invite", id_server="other.invalid", **by_mail
    )
    assert refused.json()["org.guichet.reason"] == "foreign_identity_server"


def test_the_doctor_looks_where_clients_are_sent(homeserver, told_guichet, proxy):
    def found(url: str, source: str) -> dict[str, State]:
        facts = {"url": url, "class_source": source, "token": homeserver.admin_token}
        with JsonClient(homeserver.url) as talk, JsonClient(url) as clients:
            looks = homeserver_proxy.check_proxy(talk, clients, homeserver.server_name, **facts)
            return {each.fix or each.told: each.state for each in looks}

    def sent(told: str | None, registered: str) -> Finding:
        name = homeserver.server_name
        [found] = homeserver_proxy.check_clients_url(name, told=told, registered=registered)
        return found

    with JsonClient(homeserver.url) as talk:
        own = homeserver_proxy.clients_url(talk)
    assert own == f"http://localhost:{homeserver.port}/"
    assert sent(own, registered=f"http://localhost:{homeserver.port}").state is State.OK
    past_the_proxy = sent(own, registered=proxy)
    assert past_the_proxy.state is State.ATTENTION
    assert f"public_baseurl: {proxy}" in past_the_proxy.fix
    mended = " ".join(fix for fix, state in found(own, "guest").items() if state is not State.OK)
    assert "deploy/synapse-mixed.conf" in mended
    assert "per_cache_factors" in mended
    assert "allow_profile_lookup_over_federation: false" in mended
    closed = [told for told, state in found(proxy, "by_person").items() if state is State.OK]
    assert "the proxy refuses other identity servers" in closed
    assert "the proxy shows aliases and previews to agents alone" in closed
    assert "devices are shown to those who share a room" in closed
    assert "agents find each other in the people search" in closed
