"""On two real Synapses that federate, one of agents and one of guests: rooms keep their rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from requests import Response

from tests.services.guichet_synapse import OF_GUESTS, GuichetHomeserver, Person, started
from tests.services.told_guichet import told_rule
from tests.services.told_identity_server import A_KEY, ToldIdentityServer
from tests.services.waiting import wait_for
from tests.worlds.synapse_rooms import ROOMS_ALONE, RULE, invite, put, reason, rule_event

pytestmark = pytest.mark.synapse

every_version = pytest.mark.parametrize("version", ["10", "11", "12"])


@dataclass
class Federation:
    """Ana and Zoe are agents, Gil and Gina guests."""

    agents: GuichetHomeserver
    guests: GuichetHomeserver
    identity_server: ToldIdentityServer
    ana: Person
    zoe: Person
    gil: Person
    gina: Person

    def by_mail(self, address: str) -> dict[str, str]:
        return {
            "medium": "email",
            "address": address,
            "id_server": self.identity_server.name,
            "id_access_token": "anything",
        }

    def comes(self, person: Person, room_id: str) -> None:
        """Somebody of another homeserver joins where they are invited."""
        came = wait_for(
            lambda: person.join(room_id, by=self.agents).ok, what=f"{person.user_id} is in"
        )
        assert came


@pytest.fixture(scope="module")
def federation(tmp_path_factory, authority, told_guichet) -> Iterator[Federation]:
    identity_server = ToldIdentityServer(authority.issue("localhost", "127.0.0.1"))
    agents, guests = (
        GuichetHomeserver(
            tmp_path_factory.mktemp(name),
            authority,
            guichet_url=told_guichet.url,
            module={"parts": ROOMS_ALONE},
            room_list_publication_rules=[{"action": "allow"}],
            room_prejoin_state={"additional_event_types": [RULE]},
            **further,
        )
        for name, further in (("agents", {}), ("guests", OF_GUESTS))
    )
    told_guichet.sources = {guests.server_name: "guest", agents.server_name: "agent"}
    told_guichet.rules = [
        told_rule("domain", "gov.example", "agent", agents.server_name),
        told_rule("domain", "asso.example", "guest", guests.server_name, requires_invite=True),
    ]
    told_guichet.identity_server = {
        "names": [identity_server.name],
        "public_keys": {"ed25519:0": A_KEY},
    }
    with started(agents, guests):
        ana, zoe = (Person(agents, name) for name in ("ana", "zoe"))
        gil, gina = (Person(guests, name) for name in ("gil", "gina"))
        identity_server.known |= {"gil@asso.example": gil.user_id, "zoe@gov.example": zoe.user_id}
        yield Federation(agents, guests, identity_server, ana, zoe, gil, gina)
    identity_server.close()


@every_version
def test_a_closed_room_takes_agents_and_refuses_guests_before_anything_is_sent(federation, version):
    ana, sent = federation.ana, len(federation.identity_server.invited)
    room_id = ana.create(room_version=version, name="Trees")
    assert ana.state(room_id, RULE) == {"rule": "restricted", "visibility": "private"}
    assert ana.state(room_id, "m.room.encryption")["algorithm"] == "m.megolm.v1.aes-sha2"
    levels = ana.state(room_id, "m.room.power_levels")
    assert (levels["state_default"], levels["events"]["m.room.tombstone"]) == (100, 100)
    refused = {
        "by ID": {"user_id": federation.gil.user_id},
        "known by mail": federation.by_mail("gil@asso.example"),
        "new by mail": federation.by_mail("new@asso.example"),
    }
    told = {how: reason(invite(ana, room_id, **whom)) for how, whom in refused.items()}
    assert told == dict.fromkeys(refused, "room_closed_to_guests")
    assert len(federation.identity_server.invited) == sent
    for whom in ({"user_id": federation.zoe.user_id}, federation.by_mail("new@gov.example")):
        assert invite(ana, room_id, **whom).ok
    asked = {"room_version": version, "invite": [federation.gil.user_id]}
    assert reason(ana.ask("POST", "/createRoom", **asked)) == "room_closed_to_guests"
    asked = {"room_version": version, "invite_3pid": [federation.by_mail("new@asso.example")]}
    assert reason(ana.ask("POST", "/createRoom", **asked)) == "room_closed_to_guests"


@every_version
def test_an_open_room_takes_invited_guests_without_power_and_stays_open_over_them(
    federation, version
):
    ana, gil, gina = federation.ana, federation.gil, federation.gina
    room_id = ana.create(room_version=version)
    assert reason(put(ana, room_id, RULE, rule="direct")) == "rule_never_changes_to_or_from_direct"
    assert put(ana, room_id, RULE, rule="unrestricted", visibility="private").ok
    assert put(ana, room_id, "m.room.join_rules", join_rule="public").ok
    assert reason(gina.join(room_id, by=federation.agents)) == "guest_may_not_join_uninvited"
    assert invite(ana, room_id, **federation.by_mail("gil@asso.example")).ok
    assert invite(ana, room_id, **federation.by_mail("new@asso.example")).ok
    federation.comes(gil, room_id)
    levels = ana.state(room_id, "m.room.power_levels")
    levels["users"] |= {gil.user_id: 50}
    assert reason(put(ana, room_id, "m.room.power_levels", **levels)) == "guest_may_not_hold_power"
    assert reason(put(ana, room_id, RULE, rule="restricted")) == "guests_are_still_in_the_room"
    assert gil.ask("PUT", f"/profile/{quote(gil.user_id)}/displayname", displayname="Gil").ok
    publish = f"/directory/list/room/{quote(room_id)}"
    refused = reason(ana.ask("PUT", publish, visibility="public"))
    assert refused == "public_room_stays_closed_to_guests"


@every_version
def test_a_conversation_of_two_takes_one_guest_and_nobody_else(federation, version):
    ana, gil = federation.ana, federation.gil
    two = {"is_direct": True, "preset": "trusted_private_chat", "room_version": version}
    room_id = ana.create(invite=[gil.user_id], **two)
    assert ana.state(room_id, RULE)["rule"] == "direct"
    assert ana.state(room_id, "m.room.encryption")
    federation.comes(gil, room_id)
    assert gil.user_id not in ana.state(room_id, "m.room.power_levels")["users"]
    assert "additional_creators" not in ana.state(room_id, "m.room.create")
    assert reason(invite(ana, room_id, user_id=federation.zoe.user_id)) == "direct_room_is_full"
    by_mail = invite(ana, room_id, **federation.by_mail("new@asso.example"))
    assert reason(by_mail) == "direct_room_is_full"
    assert reason(put(ana, room_id, "m.room.name", name="Us")) == "direct_room_has_no_name"
    upgrade = ana.ask("POST", f"/rooms/{quote(room_id)}/upgrade", new_version=version)
    assert reason(upgrade) == "direct_room_is_not_upgraded"
    waits = ana.create(invite_3pid=[federation.by_mail("friend@asso.example")], **two)
    assert reason(invite(ana, waits, user_id=gil.user_id)) == "direct_room_is_full"
    assert reason(gil.ask("POST", "/createRoom", **two)) == "guest_may_not_create_room"


@every_version
def test_who_has_the_address_of_who_left_takes_the_seat(federation, told_guichet, version):
    ana, gil, gina = federation.ana, federation.gil, federation.gina
    two = {"is_direct": True, "preset": "trusted_private_chat", "room_version": version}
    room_id = ana.create(invite=[gil.user_id], **two)
    federation.comes(gil, room_id)
    told_guichet.predecessors = {gina.user_id: [gil.user_id]}
    assert reason(invite(ana, room_id, user_id=gina.user_id)) == "direct_room_is_full"
    gil.do("POST", f"/rooms/{quote(room_id)}/leave")
    wait_for(
        lambda: "leave" in memberships(ana, room_id), what="Ana's homeserver knows that he left"
    )
    assert reason(invite(ana, room_id, user_id=federation.zoe.user_id)) == "direct_room_is_full"
    assert invite(ana, room_id, user_id=gina.user_id).ok
    federation.comes(gina, room_id)


def memberships(person: Person, room_id: str) -> list[str]:
    told = person.do("GET", f"/rooms/{quote(room_id)}/members")
    return [member["content"]["membership"] for member in told["chunk"]]


@every_version
def test_an_upgraded_room_keeps_its_rule_and_takes_its_guests_at_once(federation, version):
    ana = federation.ana
    asked = [rule_event("unrestricted")]
    room_id = ana.create(initial_state=asked, room_version="11", invite=[federation.gil.user_id])
    path = f"/rooms/{quote(room_id)}/upgrade"
    new_room = ana.do("POST", path, new_version=version)["replacement_room"]
    assert invite(ana, new_room, user_id=federation.gil.user_id).ok
    assert ana.state(new_room, RULE) == {"rule": "unrestricted", "visibility": "private"}
    federation.comes(federation.gil, new_room)
    assert invite(ana, new_room, user_id=federation.zoe.user_id).ok
    assert federation.zoe.join(new_room, by=federation.agents).ok
    again = federation.zoe.ask("POST", f"/rooms/{quote(new_room)}/upgrade", new_version=version)
    assert reason(again) == "only_owners_upgrade"


@every_version
def test_a_third_party_invite_comes_from_guichet(federation, version):
    ana = federation.ana
    room_id = ana.create(room_version=version, initial_state=[rule_event("unrestricted")])
    place = f"https://{federation.identity_server.name}/_matrix/identity/v2/pubkey/isvalid"
    kind = "m.room.third_party_invite"
    forged = {"display_name": "x", "public_key": A_KEY, "key_validity_url": "https://evil.example/"}
    assert reason(put(ana, room_id, kind, "t", **forged)) == "invitation_not_from_guichet"
    forged |= {"key_validity_url": place, "public_key": "another"}
    assert reason(put(ana, room_id, kind, "t", **forged)) == "invitation_not_from_guichet"
    assert put(ana, room_id, kind, "t").ok


@every_version
def test_a_public_room_is_closed_to_guests_and_becomes_private_step_by_step(federation, version):
    ana = federation.ana
    public = {"visibility": "public", "preset": "public_chat", "room_version": version}
    room_id = ana.create(**public)
    publish = f"/directory/list/room/{quote(room_id)}"
    assert ana.do("GET", publish)["visibility"] == "public"
    encryption = {"kind": "m.room.encryption", "algorithm": "m.megolm.v1.aes-sha2"}
    assert reason(put(ana, room_id, **encryption)) == "unpublish_first"
    opened = put(ana, room_id, RULE, rule="unrestricted", visibility="public")
    assert reason(opened) == "public_room_stays_closed_to_guests"
    assert ana.ask("PUT", publish, visibility="private").ok
    closed = {"rule": "restricted", "visibility": "private"}
    assert reason(put(ana, room_id, RULE, **closed)) == "encrypt_first"
    assert put(ana, room_id, **encryption).ok
    assert reason(put(ana, room_id, RULE, **closed)) == "change_the_join_rule_first"
    assert put(ana, room_id, "m.room.join_rules", join_rule="invite").ok
    assert put(ana, room_id, RULE, **closed).ok
    assert reason(ana.ask("PUT", publish, visibility="public")) == "private_room_stays_private"


@every_version
def test_who_says_public_chat_means_the_directory_unless_it_says_private(federation, version):
    ana, zoe = federation.ana, federation.zoe
    asked = {"preset": "public_chat", "room_version": version}
    for more, visibility in (({}, "public"), ({"visibility": "private"}, "private")):
        room_id = ana.create(**asked, **more)
        listed = ana.do("GET", f"/directory/list/room/{quote(room_id)}")
        assert listed["visibility"] == visibility
        assert ana.state(room_id, RULE) == {"rule": "restricted", "visibility": visibility}
        assert zoe.join(room_id, by=federation.agents).ok
        refused = reason(federation.gil.join(room_id, by=federation.agents))
        assert refused == "guest_may_not_join_uninvited"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"initial_state": [rule_event("open")]}, "invalid_access_rule"),
        ({"is_direct": True, "visibility": "public"}, "direct_room_is_never_public"),
        ({"power_level_content_override": {"invite": 0}}, "power_levels_too_low"),
    ],
)
def test_a_creation_that_contradicts_itself_is_a_bad_request(federation, asked, why):
    assert reason(federation.ana.ask("POST", "/createRoom", **asked), status=400) == why


def test_administrators_make_rooms_as_they_like_and_guests_homeservers_refuse_closed_ones(
    federation,
):
    def ask(method: str, path: str, **body: Any) -> Response:
        return federation.agents.call(method, f"/_matrix/client/v3{path}", **body)

    plain = ask("POST", "/createRoom", json={}).json()["room_id"]
    assert ask("GET", f"/rooms/{quote(plain)}/state/{RULE}/").status_code == 404
    whom = {"user_id": federation.gil.user_id}
    assert ask("POST", f"/rooms/{quote(plain)}/invite", json=whom).ok
    closed = {"initial_state": [rule_event("restricted")]}
    room_id = ask("POST", "/createRoom", json=closed).json()["room_id"]
    assert ask("POST", f"/rooms/{quote(room_id)}/invite", json=whom).status_code == 403
    assert ": room_closed_to_guests" in federation.guests.log
