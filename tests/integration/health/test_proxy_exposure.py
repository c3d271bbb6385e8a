"""What only a proxy or a key of Synapse's closes is looked at where clients are sent."""

import shlex
from dataclasses import dataclass, field

import pytest

from identity.core.findings import Finding, Silent, State
from identity.core.http_client import Answer, Away
from identity.health.checks import proxy_exposure as homeserver_proxy

NAME = "guests.example"
URL = "https://matrix.guests.example/"
FOREIGN = Answer(403, {"errcode": "M_FORBIDDEN", "org.guichet.reason": "foreign_identity_server"})
SILENT = Answer(0, {})  # in place of any answer
PROFILES = "allow_profile_lookup_over_federation"
SEARCH = homeserver_proxy.ALL_ARE_FOUND


@dataclass
class Homeserver:
    """Closed as it should be, but for what a test lays over it. None: an answer that is no use."""

    bind: Answer | None = FOREIGN
    alias: Answer | None = field(default_factory=lambda: Answer(401, {}))
    keys: Answer | None = field(default_factory=lambda: Answer(200, {"device_keys": {}}))
    module: Answer | None = field(
        default_factory=lambda: Answer(200, {PROFILES: False, SEARCH: True})
    )
    well_known: Answer | None = field(
        default_factory=lambda: Answer(200, {"m.homeserver": {"base_url": URL}})
    )

    def call(self, method: str, path: str, *, token=None, body=None) -> Answer:
        named = {
            "3pid/bind": self.bind,
            "directory/room": self.alias,
            "keys/query": self.keys,
            "agents-only": self.module,
            "well-known": self.well_known,
        }
        [answer] = [answer for part, answer in named.items() if part in path]
        assert (token is not None) == (answer in (self.keys, self.module))
        if answer is None:
            raise Away("no use", status=502)
        if answer is SILENT:
            raise Away("ReadTimeout", sent=True)
        return answer


def look(
    homeserver: Homeserver, source="guest", token: str | None = "admin", url: str | None = URL
) -> list[Finding]:
    found = homeserver_proxy.check_proxy(
        homeserver, homeserver, NAME, url=url, class_source=source, token=token
    )
    return list(found)


def worst(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.state is not State.OK]


def test_where_all_is_closed_there_is_nothing_to_mend():
    assert [each.state for each in look(Homeserver())] == [State.OK] * 4
    assert [each.state for each in look(Homeserver(), "by_person")] == [State.OK] * 4
    assert [each.state for each in look(Homeserver(), token=None)] == [State.OK] * 2
    assert [each.state for each in look(Homeserver(bind=None), "agent")] == [State.OK]
    assert look(Homeserver(bind=None), "agent", token=None) == []


@pytest.mark.parametrize("source", ["guest", "by_person"])
@pytest.mark.parametrize(
    "open_one",
    [
        {"bind": Answer(401, {"errcode": "M_MISSING_TOKEN"})},
        {"bind": Answer(403, {"errcode": "M_FORBIDDEN"})},
        {"alias": Answer(404, {"errcode": "M_NOT_FOUND"})},
    ],
)
def test_without_the_proxy_file_that_is_told_with_the_address_clients_use(source, open_one):
    [finding] = worst(look(Homeserver(**open_one), source))
    assert URL in finding.told
    assert "deploy/synapse-mixed.conf" in finding.fix
    assert "public_baseurl" in finding.fix


def test_a_proxy_that_is_out_of_reach_is_not_called_good():
    [finding] = worst(look(Homeserver(bind=None), token=None))
    assert "not seen" in finding.told


def test_keys_that_everybody_sees_are_told():
    nobody = f"@{homeserver_proxy.NO_SERVER}:{NAME}"
    [finding] = worst(look(Homeserver(keys=Answer(200, {"device_keys": {nobody: {}}}))))
    assert "msc4263_limit_key_queries_to_users_who_share_rooms" in finding.fix


def test_what_only_our_module_knows_of_is_told():
    [finding] = worst(look(Homeserver(module=Answer(200, {PROFILES: True}))))
    assert f"{PROFILES}: false" in finding.fix
    assert worst(look(Homeserver(module=Answer(200, {PROFILES: True})), "by_person")) == []
    remembers = Answer(200, {homeserver_proxy.REMEMBERED: True})
    [finding] = worst(look(Homeserver(module=remembers), "by_person"))
    assert finding.state is State.FAILED
    assert "per_cache_factors" in finding.fix
    assert len(look(Homeserver(module=Answer(200, {"revision": 3})))) == len(look(Homeserver())) - 1


@pytest.mark.parametrize("source", ["agent", "by_person"])
def test_agents_who_do_not_find_each_other_are_told_with_the_key(source):
    [finding] = worst(look(Homeserver(module=Answer(200, {SEARCH: False})), source))
    assert "user_directory: {enabled: true, search_all_users: true}" in finding.fix
    assert worst(look(Homeserver(module=Answer(200, {SEARCH: False})), "guest")) == []


@pytest.mark.parametrize("older", [{"revision": 3}, {SEARCH: None}])
def test_what_an_older_module_does_not_tell_is_not_judged(older):
    assert look(Homeserver(module=Answer(200, older)), "agent") == []


@pytest.mark.parametrize(
    "told",
    [
        *(Answer(404, {}), Answer(200, {}), Answer(200, {"m.homeserver": "x"})),
        Answer(200, {"m.homeserver": {"base_url": ""}}),
    ],
)
def test_a_homeserver_that_does_not_say_where_clients_go_is_not_called_good(told):
    assert homeserver_proxy.clients_url(Homeserver()) == URL
    assert homeserver_proxy.clients_url(Homeserver(well_known=told)) is None
    [finding] = worst(look(Homeserver(bind=None), url=None))
    assert "public_baseurl" in finding.fix


@pytest.mark.parametrize("useless", [None, Answer(429, {}), Answer(200, {"device_keys": []})])
def test_keys_that_were_not_seen_are_not_called_hidden(useless):
    [finding] = worst(look(Homeserver(keys=useless)))
    assert "not looked at" in finding.told


@pytest.mark.parametrize("silent", ["bind", "alias", "keys", "module"])
@pytest.mark.parametrize("how", [None, SILENT], ids=["failing", "silent"])
def test_what_is_too_busy_to_answer_is_not_said_to_be_open(silent, how):
    [finding] = worst(look(Homeserver(**{silent: how})))
    assert finding.state is State.ATTENTION
    assert "not looked at" in finding.told or "not seen" in finding.told
    with pytest.raises(Silent):
        homeserver_proxy.clients_url(Homeserver(well_known=SILENT))


@pytest.mark.parametrize(
    ("told", "registered"),
    [
        (URL, "https://matrix.guests.example"),
        ("https://Matrix.guests.example:443", "https://matrix.guests.example"),
        ("http://localhost:80/", "http://localhost"),
        ("https://xn--mdiathque-53af.example/", "https://médiathèque.example"),
    ],
)
def test_clients_that_are_sent_to_the_registered_door_are_well_sent(told, registered):
    [finding] = homeserver_proxy.check_clients_url(NAME, told=told, registered=registered)
    assert finding.state is State.OK


@pytest.mark.parametrize(
    "told",
    [
        "https://matrix.guests.example:8448",
        "http://matrix.guests.example",
        "https://matrix.guests.example/other",
        "https://guests.example",
        "nonsense",
        "https://[",
        "https://matrix.guests.example/$(reboot);",
        "https://matrix.guests.example:99999999",
    ],
)
def test_clients_that_are_sent_past_the_proxy_are_told_of_with_both_remedies(told):
    registered = "https://matrix.guests.example"
    [finding] = homeserver_proxy.check_clients_url(NAME, told=told, registered=registered)
    assert finding.state is State.ATTENTION
    assert told in finding.told
    assert f"public_baseurl: {registered}" in finding.fix
    assert f"guichet homeserver set {NAME} --base-url {shlex.quote(told)}" in finding.fix


def test_a_homeserver_that_tells_no_url_is_not_compared():
    found = homeserver_proxy.check_clients_url(NAME, told=None, registered="https://x.example")
    assert list(found) == []
