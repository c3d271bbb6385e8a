"""The people search of a real Synapse where agents and guests live together."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from domain_rules.synapse_modules.agents_only import PATH as AGENTS_ONLY
from identity.cli import homeserver_doors
from identity.gateways.http_client import JsonClient
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.waiting import wait_for

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
    )
    told_guichet.sources = {homeserver.server_name: "by_person"}
    rule = ["domain", "ac-rouen.example", "agent", homeserver.server_name, 0, "", None, None]
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
        found = homeserver_doors.look(talk, homeserver.server_name, revision=revision, **facts)
        mended = " ".join(each.fix for each in found)
    assert "deploy/synapse-mixed.conf" in mended
    assert "limit_profile_requests" in mended
    assert "module" not in mended
    eve, hugo = agent("eve"), Person(homeserver, f"{PREFIX}-hugo")
    wait_for(lambda: eve.ask("GET", AGENTS_ONLY).status_code == 200, what="an agent passes")
    refused = hugo.ask("GET", AGENTS_ONLY)
    assert (refused.status_code, refused.json()["org.guichet.reason"]) == (403, "not_allowed")
    assert homeserver.call("GET", AGENTS_ONLY, token="nobody's").status_code == 401
