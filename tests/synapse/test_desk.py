"""On a real Synapse: Guichet's desk puts invitations into rooms for who may invite, empties them, and serves nobody else."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import requests

from identity import signing
from identity.clock import utc_now
from identity.gateways.desk import PATH, Desk, NoModule
from identity.gateways.homeserver import Refused
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.told_desk import ToldRoom

pytestmark = pytest.mark.synapse

PARTS = {"registration_gate": False, "binder": False, "directory": False}
NAME = "guichet.example"
RULE = "im.vector.room.access_rules"


@dataclass
class Place:
    """A homeserver of agents, its desk, and two agents."""

    homeserver: GuichetHomeserver
    desk: Desk
    ana: Person
    zoe: Person
    key: signing.SigningKey

    def event(self, room_id: str, token: str) -> dict | None:
        path = f"/rooms/{quote(room_id)}/state/m.room.third_party_invite/{token}"
        answer = self.ana.ask("GET", path)
        return answer.json() if answer.ok else None


@pytest.fixture(scope="module")
def place(tmp_path_factory, authority, told_guichet) -> Iterator[Place]:
    homeserver = GuichetHomeserver(
        tmp_path_factory.mktemp("desk"),
        authority,
        guichet_url=told_guichet.url,
        module={"parts": PARTS},
    )
    key = signing.new_key()
    told_guichet.sources = {homeserver.server_name: "agent"}
    told_guichet.rules = [
        ["suffix", "agents.example", "agent", homeserver.server_name, 0, "", None, None],
        ["default", "", "guest", homeserver.server_name, 1, "", None, None],
    ]
    told_guichet.identity_server = {"names": [NAME], "public_keys": {key.key_id: key.public}}
    desk = Desk(
        homeserver.server_name,
        homeserver.url,
        lambda facts: key.sign(facts, server_name=NAME),
        utc_now,
    )
    with started(homeserver):
        yield Place(homeserver, desk, Person(homeserver, "ana"), Person(homeserver, "zoe"), key)


def keys(place: Place) -> dict:
    public, url = place.key.public, f"https://{NAME}/_matrix/identity/v2/pubkey/isvalid"
    return {
        "display_name": "lea...@asso...",
        "public_key": public,
        "key_validity_url": url,
        "public_keys": [{"public_key": public, "key_validity_url": url}],
    }


def invite(place: Place, room_id: str, *, sender: str, address: str = "lea@agents.example") -> str:
    token = uuid.uuid4().hex
    asked = {"room_id": room_id, "sender": sender, "token": token, "address": address}
    place.desk.invite(**asked, keys=keys(place))
    return token


def set_power(place: Place, room_id: str, *, invite: int, users: dict | None = None) -> None:
    path = f"/rooms/{quote(room_id)}/state/m.room.power_levels/"
    levels = place.ana.do("GET", path)
    wanted = {"invite": invite, "users": levels.get("users", {}) | (users or {})}
    assert place.ana.ask("PUT", path, **(levels | wanted)).ok


def test_an_invitation_stands_in_the_room_in_the_name_of_who_invites_and_twice_is_once(place):
    room_id, token, held = place.ana.create(), uuid.uuid4().hex, keys(place)
    asked = {"room_id": room_id, "sender": place.ana.user_id, "token": token}
    for _ in range(2):
        place.desk.invite(**asked, address="lea@agents.example", keys=held)
    events = place.ana.do("GET", f"/rooms/{quote(room_id)}/messages", dir="b", limit=50)["chunk"]
    sent = [event for event in events if event["type"] == "m.room.third_party_invite"]
    assert [(event["sender"], event["state_key"]) for event in sent] == [(place.ana.user_id, token)]
    assert sent[0]["content"] == held


def test_who_is_not_in_the_room_or_may_not_invite_is_refused(place):
    room_id = place.ana.create()
    with pytest.raises(Refused):
        invite(place, room_id, sender=place.zoe.user_id)
    place.ana.do("POST", f"/rooms/{quote(room_id)}/invite", user_id=place.zoe.user_id)
    assert place.zoe.join(room_id, by=place.homeserver).ok
    set_power(place, room_id, invite=50)
    with pytest.raises(Refused):
        invite(place, room_id, sender=place.zoe.user_id)
    assert place.desk.look(room_id=room_id, sender=place.zoe.user_id).may_invite is False
    assert place.desk.look(room_id=room_id, sender=place.ana.user_id).may_invite is True


def test_a_room_closed_to_guests_takes_no_guest_by_the_desk_either(place):
    room_id = place.ana.create(initial_state=[{"type": RULE, "content": {"rule": "restricted"}}])
    assert place.desk.look(room_id=room_id, sender=place.ana.user_id).is_open_to_guests is False
    with pytest.raises(Refused):
        invite(place, room_id, sender=place.ana.user_id, address="lea@asso.example")
    invite(place, room_id, sender=place.ana.user_id, address="lea@agents.example")


def test_a_revoked_invitation_is_emptied_also_when_who_sent_it_has_left(place):
    room_id = place.ana.create(invite=[place.zoe.user_id])
    assert place.zoe.join(room_id, by=place.homeserver).ok
    set_power(place, room_id, invite=50, users={place.zoe.user_id: 50})
    token = invite(place, room_id, sender=place.zoe.user_id)
    assert place.event(room_id, token)
    assert place.zoe.ask("POST", f"/rooms/{quote(room_id)}/leave").ok
    for _ in range(2):
        place.desk.revoke(room_id=room_id, token=token, sender=place.zoe.user_id)
    assert place.event(room_id, token) == {}


def test_who_has_an_account_is_invited_by_id_and_a_member_is_left_alone(place):
    room_id = place.ana.create()
    asked = {"room_id": room_id, "sender": place.ana.user_id, "user_id": place.zoe.user_id}
    assert place.desk.invite_user(**asked) is True
    assert place.desk.invite_user(**asked) is True
    assert place.zoe.join(room_id, by=place.homeserver).ok
    assert place.desk.invite_user(**asked) is False


def test_nobody_but_guichet_is_served_and_nothing_twice(place):
    room_id = place.ana.create()
    stranger = signing.new_key(place.key.key_id.partition(":")[2])
    elsewhere = replace(place.desk, sign=lambda facts: stranger.sign(facts, server_name=NAME))
    late = replace(place.desk, now=lambda: utc_now() - timedelta(minutes=5))
    for desk in (elsewhere, late):
        with pytest.raises(Refused):
            desk.look(room_id=room_id, sender=place.ana.user_id)
    seen: list[dict] = []
    kept = replace(place.desk, sign=lambda facts: seen.append(place.desk.sign(facts)) or seen[-1])
    assert kept.look(room_id=room_id, sender=place.ana.user_id).is_joined
    again = requests.post(f"{place.homeserver.url}{PATH}/room", json=seen[0], timeout=10)
    assert again.status_code == 403


def test_a_homeserver_without_our_module_says_so(synapse, place):
    desk = replace(place.desk, url=synapse.url, server_name=synapse.server_name)
    with pytest.raises(NoModule):
        desk.look(room_id="!a:b", sender="@a:b")


def seen_through(desk: Desk, room_id: str, *, owner: str, stranger: str, held: dict) -> list:
    """What a caller can tell of a desk, step by step."""

    def outcome(what, **asked):
        try:
            return what(room_id=room_id, **asked)
        except Refused:
            return "refused"

    about = {"token": uuid.uuid4().hex, "address": "lea@asso.example", "keys": held}
    gone = {"token": about["token"], "sender": owner}
    return [
        outcome(desk.look, sender=owner),
        outcome(desk.look, sender=stranger).may_invite,
        *(outcome(desk.invite, sender=owner, **about) for _ in range(2)),
        outcome(desk.invite, sender=stranger, **about),
        outcome(desk.invite_user, sender=stranger, user_id=owner),
        outcome(desk.invite_user, sender=owner, user_id=stranger),
        outcome(desk.invite_user, sender=owner, user_id=owner),
        *(outcome(desk.revoke, **gone) for _ in range(2)),
    ]


def test_the_desk_by_value_of_other_tests_answers_as_this_one(place, told_desk):
    opened = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}
    room_id = place.ana.create(initial_state=[opened])
    owner, stranger = place.ana.user_id, place.zoe.user_id
    told_desk.rooms[room_id] = ToldRoom(members={owner}, may_invite={owner})
    by_value = replace(place.desk, url=told_desk.url)
    facts = {"owner": owner, "stranger": stranger, "held": keys(place)}
    real = seen_through(place.desk, room_id, **facts)
    assert seen_through(by_value, room_id, **facts) == real
    assert real[4] == "refused"
