"""Beside modules that are careless: rooms are made and lived in as ever, our refusals hold, and log-only changes no answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.careless_module import FAILING, PROXIED, REFUSED, REPLACED
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.synapse import FREELY
from tests.services.told_guichet import told_rule
from tests.worlds.same_actions import RULE, Deeds

pytestmark = pytest.mark.synapse

AFTER = {"module": "tests.services.careless_module.Careless"}
BEFORE = AFTER | {"config": {"is_before": True}}
OPEN_DOORS = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "rc_user_directory": FREELY,
}
AGENTS, GUESTS = "agents.example", "asso.example"


class Crowded(GuichetHomeserver):
    """Careless modules before ours and after it."""

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        return settings | {"modules": [BEFORE, *settings["modules"], AFTER]}


class Unguarded(GuichetHomeserver):
    """The same two, without ours."""

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"modules": [BEFORE, AFTER]}


@dataclass
class Place:
    homeserver: GuichetHomeserver
    ana: Person
    bob: Person
    gil: Person


@pytest.fixture(scope="module")
def three(tmp_path_factory, authority, told_guichet) -> Iterator[dict[str, Place]]:
    """By what our module does there: enforce, log, none."""
    homeservers = {
        name: kind(
            tmp_path_factory.mktemp(name),
            authority,
            guichet_url=told_guichet.url,
            module={"mode": name},
            **OPEN_DOORS,
        )
        for name, kind in (("enforce", Crowded), ("log", Crowded), ("none", Unguarded))
    }
    told_guichet.sources = {each.server_name: "by_person" for each in homeservers.values()}
    told_guichet.rules = [told_rule("domain", AGENTS, "agent", homeservers["enforce"].server_name)]
    with started(*homeservers.values()):
        yield {name: _place(homeserver) for name, homeserver in homeservers.items()}


def _place(homeserver: GuichetHomeserver) -> Place:
    ana, bob, gil = (Person(homeserver, name) for name in ("ana", "bob", "gil"))
    ana.verifies(f"ana@{AGENTS}")
    bob.verifies(f"bob@{AGENTS}")
    gil.verifies(f"gil@{GUESTS}")
    return Place(homeserver, ana, bob, gil)


@pytest.mark.parametrize("mode", ["enforce", "log"])
@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_agents_make_rooms_invite_join_and_rename(three, mode, version):
    on = three[mode]
    for asked in (
        {"preset": "private_chat", "name": "Budget", "topic": "2027"},
        {"preset": "private_chat", "initial_state": [_event("m.room.topic", topic="2027")]},
        {"preset": "trusted_private_chat", "is_direct": True},
        {"preset": "public_chat", "power_level_content_override": {"invite": 0}}
        if version != "10"
        else {"preset": "public_chat"},
        {"creation_content": {"type": "m.space"}},
        {"name": PROXIED, "initial_state": [_event("m.room.topic", topic="2027")]},
    ):
        room_id = on.ana.create(invite=[on.bob.user_id], room_version=version, **asked)
        room = f"/rooms/{quote(room_id)}"
        on.bob.do("POST", f"{room}/join")
        if not asked.get("is_direct"):
            on.ana.do("PUT", f"{room}/state/m.room.name/", name="Autre")
            assert on.ana.state(room_id, "m.room.name") == {"name": "Autre"}
        on.bob.do("PUT", f"{room}/send/{REPLACED}/1", body="Bonjour")
        on.bob.do("PUT", f"{room}/send/m.room.message/2", msgtype="m.text", body="Bonjour")


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_our_refusals_hold(three, version):
    on = three["enforce"]
    for name in ("Salon", PROXIED):
        asked = {"name": name, "room_version": version, "preset": "private_chat"}
        _refused(on.gil.ask("POST", "/createRoom", **asked), "guest_may_not_create_room")
        guests = {"invite": [on.gil.user_id]}
        _refused(on.ana.ask("POST", "/createRoom", **asked, **guests), "room_closed_to_guests")
    closed = on.ana.create(room_version=version, preset="private_chat")
    room = f"/rooms/{quote(closed)}"
    invited = on.ana.ask("POST", f"{room}/invite", user_id=on.gil.user_id)
    _refused(invited, "room_closed_to_guests")
    rule = on.ana.ask("PUT", f"{room}/state/{RULE}/", rule="direct")
    assert rule.status_code == 403
    assert rule.json()["org.guichet.reason"]
    opened = on.ana.create(room_version=version, initial_state=[_event(RULE, rule="unrestricted")])
    on.ana.do("POST", f"/rooms/{quote(opened)}/invite", user_id=on.gil.user_id)
    on.gil.do("POST", f"/rooms/{quote(opened)}/join")
    invited = on.gil.ask("POST", f"/rooms/{quote(opened)}/invite", user_id=on.bob.user_id)
    _refused(invited, "guest_may_not_invite")
    assert on.gil.finds("ana") == set()


@pytest.mark.parametrize("mode", ["enforce", "log"])
def test_what_another_module_refuses_or_fails_at_is_answered_as_without_ours(three, mode):
    on, without = three[mode], three["none"]
    for each in (on, without):
        refused = each.ana.ask("POST", "/createRoom", name=REFUSED)
        assert refused.status_code == 403
        assert "org.guichet.reason" not in refused.json()
        room_id = each.ana.create()
        failed = each.ana.ask("PUT", f"/rooms/{quote(room_id)}/send/{FAILING}/1", body="x")
        assert failed.status_code == 500


def test_log_only_answers_to_everything_as_if_ours_were_not_there(three):
    def everything(on: Place) -> dict[str, Any]:
        people = [Person(on.homeserver, name) for name in ("who", "eve", "oda")]
        people[2].verifies(f"oda@{AGENTS}")
        return Deeds(on.homeserver, *people).everything()

    with ThreadPoolExecutor() as threads:
        watched, plain = threads.map(everything, (three["log"], three["none"]))
    assert watched.keys() == plain.keys()
    for what, told in plain.items():
        assert watched[what] == told, what


def _event(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


def _refused(answer: Any, reason: str) -> None:
    told = answer.json()
    assert (answer.status_code, told.get("org.guichet.reason")) == (403, reason), told
