"""On two real Synapses that federate, one of guests and one of agents: guests answer, they do not start."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.guichet_synapse import OF_GUESTS, GuichetHomeserver, Person, start, started
from tests.services.told_guichet import told_rule
from tests.services.told_identity_server import ToldIdentityServer
from tests.services.waiting import wait_for
from tests.worlds.beginnings import Federation, a_name, actions, reason

pytestmark = pytest.mark.synapse

VERSIONS = ("10", "11", "12")


@pytest.fixture(scope="module")
def federation(tmp_path_factory, authority, told_guichet) -> Iterator[Federation]:
    guests, agents = (
        GuichetHomeserver(
            tmp_path_factory.mktemp(name),
            authority,
            guichet_url=told_guichet.url,
            user_directory={"search_all_users": True},
            **further,
        )
        for name, further in (
            ("guests", OF_GUESTS),
            ("agents", {"module": {"language": "en"}}),
        )
    )
    told_guichet.sources = {guests.server_name: "guest", agents.server_name: "agent"}
    told_guichet.rules = [
        told_rule("suffix", "agents.example", "agent", agents.server_name),
        told_rule("default", "", "guest", guests.server_name, requires_invite=True),
    ]
    identity_server = ToldIdentityServer(authority.issue("localhost", "127.0.0.1"))
    told_guichet.identity_server = identity_server.facts
    identity_server.known["known@agents.example"] = f"@camille:{agents.server_name}"
    with started(guests, agents):
        people = Person(guests, "gil"), Person(agents, "ana"), Person(agents, "zoe")
        yield Federation(guests, agents, identity_server, *people)
    identity_server.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guest_begins_nothing_and_hears_why(federation, version):
    room_id = federation.room_of_both(room_version=version)
    told = actions(federation, federation.gil, room_id, version, public=room_id)
    assert {name: reason(answer) for name, answer in told.items()} == {
        "private": "guest_may_not_create_room",
        "public": "guest_may_not_create_room",
        "direct": "guest_may_not_create_room",
        "space": "guest_may_not_create_room",
        "invite": "guest_may_not_invite",
        "by mail": "guest_may_not_invite_by_mail",
        "known by mail": "guest_may_not_invite",
        "alias": "guest_may_not_make_alias",
        "publish": "guest_may_not_publish_room",
        "upgrade": "guest_may_not_upgrade_room",
    }


def test_what_clients_show_is_our_sentence_in_the_homeservers_language(federation):
    """The guests' homeserver says nothing of a language, which is French; the agents' says English."""
    gil, ana = federation.gil, federation.ana
    room_id, public = federation.room_of_both(), ana.create(preset="public_chat")
    door = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    here = admins_room(federation.guests, initial_state=[door])
    french = actions(federation, gil, room_id, "12", public=room_id) | {
        "join": gil.join(public, by=federation.agents),
        "knock": gil.ask("POST", f"/knock/{quote(here)}"),
    }
    closed = ana.create(preset="private_chat")
    room, rule = f"/rooms/{quote(closed)}", f"/rooms/{quote(closed)}/state/m.room.encryption/"
    encryption = ana.do("GET", f"{rule}?format=event")["event_id"]
    creators = {"additional_creators": [gil.user_id]}
    english = {
        "create": ana.ask("POST", "/createRoom", creation_content=creators),
        "create so": ana.ask("POST", "/createRoom", is_direct=True, visibility="public"),
        "invite": ana.ask("POST", f"{room}/invite", user_id=gil.user_id),
        "publish": ana.ask("PUT", f"/directory/list/room/{quote(closed)}", visibility="public"),
        "redact": ana.ask("PUT", f"{room}/redact/{quote(encryption)}/1"),
        "send": ana.ask("PUT", f"{room}/state/m.room.encryption/", algorithm="m.none"),
        "upgrade": ana.ask("POST", f"{room}/upgrade", new_version="12", **creators),
    }
    for told, language in ((french, "fr"), (english, "en")):
        for what, answer in told.items():
            fields = answer.json()
            assert not answer.ok, what
            assert set(fields["org.guichet.message"]) == {"fr", "en"}, what
            assert fields["error"] == fields["org.guichet.message"][language], what
            assert fields["org.guichet.message"]["fr"] != fields["org.guichet.message"]["en"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_agent_does_all_of_it(federation, version):
    room_id = federation.room_of_both(room_version=version)
    public = federation.ana.create(visibility="public", room_version=version)
    told = actions(federation, federation.ana, room_id, version, public=public)
    assert {name: answer.status_code for name, answer in told.items()} == dict.fromkeys(told, 200)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guest_comes_in_only_by_invitation_to_this_very_room(federation, version):
    gil, ana, agents = federation.gil, federation.ana, federation.agents
    open_to_all = ana.create(preset="public_chat", room_version=version)
    space = federation.room_of_both(
        creation_content={"type": "m.space"}, room_version=version, name="Space"
    )
    inside = {
        "type": "m.room.join_rules",
        "state_key": "",
        "content": {
            "join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": space}],
        },
    }
    of_the_space = ana.create(initial_state=[inside], room_version=version)
    for room_id in (open_to_all, of_the_space):
        assert reason(gil.join(room_id, by=agents)) == "guest_may_not_join_uninvited"
        assert federation.zoe.join(room_id, by=agents).ok == (room_id == open_to_all)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guest_does_not_knock(federation, version):
    asked = {"join_rule": "knock"}
    door = {"type": "m.room.join_rules", "state_key": "", "content": asked}
    here = admins_room(federation.guests, initial_state=[door], room_version=version)
    there = federation.ana.create(initial_state=[door], room_version=version)
    assert reason(federation.gil.ask("POST", f"/knock/{quote(here)}")) == "guest_may_not_knock"
    far = f"/knock/{quote(there)}?via={federation.agents.server_name}"
    assert federation.gil.ask("POST", far).status_code == 403
    assert federation.zoe.ask("POST", far).status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guest_never_becomes_a_creator(federation, version):
    gil, ana = federation.gil.user_id, federation.ana
    room_id = ana.create(
        preset="trusted_private_chat", is_direct=True, invite=[gil], room_version=version
    )
    assert gil not in ana.state(room_id, "m.room.create").get("additional_creators", [])
    assert gil not in ana.state(room_id, "m.room.power_levels").get("users", {})
    assert ana.state(room_id, "m.room.encryption")["algorithm"] == "m.megolm.v1.aes-sha2"
    named = {"creation_content": {"additional_creators": [gil]}, "room_version": version}
    assert reason(ana.ask("POST", "/createRoom", **named)) == "guest_may_not_be_creator"


def test_a_guest_does_not_become_a_creator_by_an_upgrade(federation):
    room_id = federation.room_of_both(room_version="11")
    asked = {"new_version": "12", "additional_creators": [federation.gil.user_id]}
    upgrade = federation.ana.ask("POST", f"/rooms/{quote(room_id)}/upgrade", **asked)
    assert reason(upgrade) == "guest_may_not_be_creator"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guest_answers_as_anybody_does(federation, version):
    gil = federation.gil
    room = f"/rooms/{quote(federation.room_of_both(room_version=version))}"
    profile = {"membership": "join", "displayname": "Gil, here"}
    media = federation.guests.url + "/_matrix/media/v3/upload"
    told = [
        gil.ask("PUT", f"{room}/send/m.room.message/{a_name()}", msgtype="m.text", body="Bonjour"),
        gil.ask("PUT", f"{room}/state/m.room.member/{quote(gil.user_id)}", **profile),
        gil.ask("POST", media.removeprefix(federation.guests.url), a="file"),
        gil.ask("PUT", f"/profile/{quote(gil.user_id)}/displayname", displayname=a_name()),
        gil.ask("POST", f"{room}/leave"),
    ]
    assert [answer.status_code for answer in told] == [200] * len(told)


def test_a_guest_finds_nobody_and_no_room(federation):
    federation.ana.create(visibility="public", name="A room to be found")
    Person(federation.guests, "other-guest")
    wait_for(lambda: federation.zoe.finds("ana"), what="the directory knows Ana")
    for person, is_agent in ((federation.gil, False), (federation.zoe, True)):
        for term in ("ana", "other-guest"):
            assert bool(person.finds(term)) == (is_agent and term == "ana")
        assert bool(person.do("GET", "/publicRooms")["chunk"]) == is_agent


def test_an_administrator_of_the_guests_homeserver_may_do_it_and_it_is_logged(federation):
    admins_room(federation.guests)
    assert "is exempt, would otherwise be refused: guest_may_not_create_room" in (
        federation.guests.log
    )


def test_with_guichet_away_and_synapse_restarted_agents_go_on_and_guests_stay_out(
    federation, told_guichet
):
    gil, ana = federation.gil, federation.ana
    room_id = federation.room_of_both()
    other_guest = Person(federation.guests, a_name())
    told_guichet.stop()
    try:
        for homeserver in (federation.guests, federation.agents):
            homeserver.stop()
        start(federation.guests, federation.agents)
        asked = ana.ask("POST", "/createRoom", invite=[federation.zoe.user_id])
        assert asked.status_code == 200
        closed = f"/rooms/{quote(asked.json()['room_id'])}/invite"
        opened = f"/rooms/{quote(room_id)}/invite"
        assert reason(ana.ask("POST", closed, user_id=gil.user_id)) == "room_closed_to_guests"
        assert ana.ask("POST", opened, user_id=other_guest.user_id).status_code == 200
        assert reason(gil.ask("POST", "/createRoom")) == "guest_may_not_create_room"
        invited = gil.ask("POST", opened, user_id=federation.zoe.user_id)
        assert reason(invited) == "guest_may_not_invite"
        for homeserver in (federation.guests, federation.agents):
            assert "Guichet is away, the last good copy serves" in homeserver.log
            assert homeserver.metrics["guichet_rules_age_seconds"] > 0
    finally:
        told_guichet.start()


def test_on_a_homeserver_of_both_the_address_makes_the_agent_at_home_and_abroad(
    federation, told_guichet
):
    mia, gil, ana = Person(federation.guests, a_name()), federation.gil, federation.ana
    assert reason(mia.ask("POST", "/createRoom")) == "guest_may_not_create_room"
    name, rules = federation.guests.server_name, told_guichet.rules
    told_guichet.sources[name] = "by_person"
    told_guichet.publish(*rules)
    try:
        mia.verifies("mia@agents.example")
        room_id = wait_for(lambda: created(mia), what="Mia, an agent now, creates a room")
        invite = f"/rooms/{quote(room_id)}/invite"
        assert mia.ask("POST", invite, user_id=ana.user_id).status_code == 403
        told_guichet.agents, told_guichet.number = [mia.user_id], told_guichet.number + 1
        wait_for(
            lambda: mia.ask("POST", invite, user_id=ana.user_id).ok,
            what="the agents' homeserver has heard that Mia is an agent",
        )
        gil.verifies("gil@asso.example")
        assert reason(gil.ask("POST", "/createRoom")) == "guest_may_not_create_room"
        told_guichet.publish(told_rule("domain", "asso.example", "agent", name), *rules)
        wait_for(lambda: created(gil), what="Gil, whose domain was opened, creates a room")
    finally:
        told_guichet.sources[name] = "guest"
        told_guichet.publish(*rules)
    wait_for(lambda: not created(gil) and not created(mia), what="they are guests again")


def test_every_refusal_is_counted_by_its_reason(federation):
    name = 'guichet_refusals_total{mode="enforce",reason="guest_may_not_create_room"}'
    before = federation.guests.metrics.get(name, 0)
    federation.gil.ask("POST", "/createRoom")
    assert federation.guests.metrics[name] == before + 1


def created(person: Person) -> str | None:
    """A new room, if that is for them."""
    answer = person.ask("POST", "/createRoom")
    return str(answer.json()["room_id"]) if answer.ok else None


def admins_room(homeserver: GuichetHomeserver, **asked: Any) -> str:
    answer = homeserver.call("POST", "/_matrix/client/v3/createRoom", json=asked)
    assert answer.ok, answer.text
    return str(answer.json()["room_id"])
