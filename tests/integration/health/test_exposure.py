"""What a homeserver leaves open is told with what closes it."""

from dataclasses import dataclass, field

import pytest

from identity.core.findings import Finding, State
from identity.core.http_client import Answer, Away
from identity.health.checks import exposure as homeserver_doors

NAME = "guests.example"
FLOWS = {"session": "s", "flows": [{"stages": ["m.login.email.identity"]}]}
SILENT = Answer(0, {})  # in place of any answer
MODULE = {"revision": 7, "age_seconds": 3, "mode": "enforce"}


@dataclass
class Homeserver:
    """Closed as it should be, but for what a test lays over it. None: an answer that is no use."""

    register: Answer | None = field(default_factory=lambda: Answer(401, FLOWS))
    agents_only: Answer | None = field(default_factory=lambda: Answer(200, MODULE))
    rooms: Answer | None = field(default_factory=lambda: Answer(200, {"chunk": []}))
    profile: Answer | None = field(default_factory=lambda: Answer(403, {"errcode": "M_FORBIDDEN"}))
    proxy: Answer | None = None

    def call(self, method: str, path: str, *, token=None, body=None) -> Answer:
        named = {
            "register": self.register,
            "agents-only": self.agents_only,
            "publicRooms": self.rooms,
            "profile": self.profile,
            "org.guichet/proxy": self.proxy,
        }
        [answer] = [answer for part, answer in named.items() if part in path]
        if answer is None:
            raise Away("no use", status=502)
        if answer is SILENT:
            raise Away("ReadTimeout", sent=True)
        return answer


def look(homeserver: Homeserver, source="guest", token="admin") -> list[Finding]:
    found = homeserver_doors.check_exposure(
        homeserver, NAME, class_source=source, token=token, revision=7
    )
    return list(found)


def worst(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.state is not State.OK]


def test_a_closed_homeserver_with_our_module_has_nothing_to_mend():
    assert [each.state for each in look(Homeserver())] == [State.OK] * 4


@pytest.mark.parametrize("rooms", [None, Answer(404, {})])
def test_an_open_directory_of_rooms_is_a_failure_where_everybody_is_a_guest(rooms):
    [finding] = worst(look(Homeserver(rooms=rooms)))
    assert finding.state is State.FAILED
    assert "enable_room_list_search" in finding.fix


def test_on_a_mixed_homeserver_the_proxy_closes_it():
    bare = Homeserver(rooms=None, proxy=Answer(404, {"errcode": "M_NOT_FOUND"}))
    [finding] = worst(look(bare, "by_person"))
    assert finding.state is State.ATTENTION
    assert "deploy/synapse-mixed.conf" in finding.fix
    proxied = Homeserver(rooms=None, proxy=Answer(200, {"agents_only": True}))
    assert worst(look(proxied, "by_person")) == []
    other = Homeserver(rooms=None, proxy=Answer(404, {"errcode": "M_UNRECOGNIZED"}))
    assert worst(look(other, "by_person"))


@pytest.mark.parametrize(
    "profile", [Answer(404, {"errcode": "M_NOT_FOUND"}), Answer(200, {"displayname": "A"})]
)
def test_profiles_that_everybody_sees_are_told(profile):
    [finding] = worst(look(Homeserver(profile=profile)))
    assert "limit_profile_requests" in finding.fix


def test_a_homeserver_of_agents_may_show_its_rooms():
    assert worst(look(Homeserver(rooms=None, profile=None), "agent")) == []


def test_accounts_without_a_proved_address_are_told():
    [finding] = worst(look(Homeserver(register=Answer(200, {"user_id": "@a:b"}))))
    assert "registrations_require_3pid" in finding.fix
    for other in ({"stages": ["m.login.dummy"]}, {"stages": None}, "m.login.dummy"):
        flows = {"flows": [*FLOWS["flows"], other]}
        [finding] = worst(look(Homeserver(register=Answer(401, flows))))
        assert "registrations_require_3pid" in finding.fix
    assert worst(look(Homeserver(register=Answer(403, {"errcode": "M_FORBIDDEN"})))) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(404, {"errcode": "M_UNRECOGNIZED"}), "not loaded"),
        (Answer(200, MODULE | {"revision": None}), "never heard"),
        (Answer(200, MODULE | {"revision": 6}), "6 of 7"),
        (Answer(200, MODULE | {"age_seconds": 4000}), "4000 seconds"),
        (Answer(200, MODULE | {"age_seconds": None}), "seconds old"),
        (Answer(200, MODULE | {"mode": "log"}), "only logs"),
    ],
)
def test_what_the_module_decides_by_is_told(answer, said):
    [finding] = worst(look(Homeserver(agents_only=answer)))
    assert said in finding.told
    assert finding.fix


def test_without_an_administrators_token_what_everybody_sees_is_looked_at():
    unsigned = Homeserver(agents_only=Answer(401, {"errcode": "M_MISSING_TOKEN"}), rooms=None)
    assert [each.state for each in look(unsigned, token=None)] == [State.OK] * 2


@pytest.mark.parametrize(
    "answers",
    [
        *({silent: SILENT} for silent in ("register", "agents_only", "rooms", "profile")),
        *({failing: None} for failing in ("register", "agents_only", "profile")),
        {"rooms": Answer(200, {})},
        {"profile": Answer(401, {"errcode": "M_UNKNOWN_TOKEN"})},
        {"agents_only": Answer(401, {"errcode": "M_UNKNOWN_TOKEN"})},
        {"agents_only": Answer(302, {})},
        {"register": Answer(401, {"flows": []})},
        {"register": Answer(401, {})},
        *({later: Answer(429, {})} for later in ("register", "agents_only", "rooms", "profile")),
    ],
)
def test_a_homeserver_too_busy_to_answer_is_not_said_to_be_open(answers):
    [finding] = worst(look(Homeserver(**answers)))
    assert finding.state is State.ATTENTION
    assert "was not looked at" in finding.told
    assert "ask again" in finding.fix


def test_only_what_synapse_says_of_an_open_directory_counts_as_open():
    class Failing(Homeserver):
        def call(self, method, path, *, token=None, body=None):
            if "publicRooms" in path:
                raise Away("status 503", sent=True, status=503)
            return super().call(method, path)

    [finding] = worst(look(Failing()))
    assert "was not looked at" in finding.told
