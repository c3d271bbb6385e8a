"""On a real Synapse: Guichet's desk puts invitations into rooms for who may invite, empties them, and serves nobody else."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

import pytest
import requests

from domain_rules.room_action_answers import credential_hash
from identity.core import signatures as signing
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.http_client import Away
from identity.homeservers.admin_client import Refused
from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.room_actions import PATH, NoModule, RoomActions
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.schema import create_schema
from tests.services.told_guichet import told_rule
from tests.services.told_room_actions import ToldRoom

pytestmark = pytest.mark.synapse

PARTS = {"registration_gate": False, "binder": False, "directory": False}
NAME, OTHER = "guichet.example", "other.example"
RULE = "im.vector.room.access_rules"


@dataclass
class Place:
    """A homeserver of agents, its desk, and two agents."""

    homeserver: GuichetHomeserver
    desk: RoomActions
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
    breakers = f"sqlite:///{tmp_path_factory.mktemp('breakers') / 'guichet.db'}"
    create_schema(breakers)
    database = Database(make_engine(breakers))
    told_guichet.sources = {homeserver.server_name: "agent"}
    told_guichet.rules = [
        told_rule("suffix", "agents.example", "agent", homeserver.server_name),
        told_rule("default", "", "guest", homeserver.server_name, requires_invite=True),
    ]
    told_guichet.identity_server = {"names": [NAME], "public_keys": {key.key_id: key.public}}
    desk = RoomActions(
        homeserver.server_name,
        homeserver.url,
        lambda facts: key.sign({**facts, "signer": NAME}, server_name=NAME),
        utc_now,
        # The module of these tests has the name of its homeserver for a credential.
        lambda name: [credential_hash(name)],
        HomeserverCalls(database, utc_now),
    )
    with started(homeserver):
        yield Place(homeserver, desk, Person(homeserver, "ana"), Person(homeserver, "zoe"), key)
    database.engine.dispose()


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
    with pytest.raises(Refused, match=r"room_closed_to_guests"):
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


def test_it_tells_who_somebody_is_in_a_room_and_whether_an_invitation_stands(place):
    room_id = place.ana.create()
    token = invite(place, room_id, sender=place.ana.user_id)

    def standing(person=place.zoe, token=""):
        told = place.desk.standing(room_id=room_id, user_id=person.user_id, token=token)
        return told.membership, told.holds_invitation

    assert standing() == (None, False)
    assert standing(place.ana, token) == ("join", True)
    assert standing(token="another") == (None, False)
    for act, membership in (("invite", "invite"), ("kick", "leave"), ("ban", "ban")):
        place.ana.do("POST", f"/rooms/{quote(room_id)}/{act}", user_id=place.zoe.user_id)
        assert standing() == (membership, False)
    place.desk.revoke(room_id=room_id, token=token, sender=place.ana.user_id)
    assert standing(place.ana, token) == ("join", False)


def test_what_it_cannot_know_it_does_not_tell(place):
    with pytest.raises(Away):
        place.desk.standing(room_id="!elsewhere:b.example", user_id="@gil:b.example")


def by_another_key(place, facts):
    stranger = signing.new_key(place.key.key_id.partition(":")[2])
    return stranger.sign(facts | {"signer": NAME}, server_name=NAME)


def by_another_signer(place, facts):
    return place.key.sign(facts | {"signer": OTHER}, server_name=OTHER)


def in_anothers_name(place, facts):
    return place.key.sign(facts | {"signer": NAME}, server_name=OTHER)


def by_nobody(place, facts):
    return place.key.sign(facts, server_name=NAME)


def by_an_object(place, facts):
    return place.key.sign(facts | {"signer": {"name": NAME}}, server_name=NAME)


def without_action(place, facts):
    action = [name for name in facts if name != "action"]
    return place.desk.sign({name: facts[name] for name in action})


def for_another_action(place, facts):
    return place.desk.sign(facts | {"action": "revoke"})


def for_another_homeserver(place, facts):
    return place.desk.sign(facts | {"destination": OTHER})


def too_old(place, facts):
    return place.desk.sign(facts | {"expires_ts": int(utc_now().timestamp() * 1000) - 61_000})


def good_for_too_long(place, facts):
    return place.desk.sign(facts | {"expires_ts": int(utc_now().timestamp() * 1000) + 600_000})


def without_an_id(place, facts):
    return place.desk.sign(facts | {"nonce": ""})


def changed_after(place, facts):
    return place.desk.sign(facts) | {"sender": place.zoe.user_id}


@pytest.mark.parametrize(
    "sign",
    [
        *(by_another_key, by_another_signer, in_anothers_name, by_nobody, by_an_object),
        *(without_action, for_another_action, for_another_homeserver),
        *(too_old, good_for_too_long, without_an_id, changed_after),
    ],
)
def test_a_letter_that_is_not_guichets_for_this_action_here_and_now_is_refused(place, sign):
    room_id = place.ana.create()
    wrong = replace(place.desk, sign=lambda facts: sign(place, facts))
    with pytest.raises(Away, match=r"40[13] M_FORBIDDEN"):
        wrong.look(room_id=room_id, sender=place.ana.user_id)
    assert place.desk.look(room_id=room_id, sender=place.ana.user_id).is_joined


def test_a_letter_is_opened_once_on_every_path_and_also_after_a_restart(place):
    room_id = place.ana.create()
    seen: list[dict] = []
    kept = replace(place.desk, sign=lambda facts: seen.append(place.desk.sign(facts)) or seen[-1])
    assert kept.look(room_id=room_id, sender=place.ana.user_id).is_joined

    def play_back(path):
        url = f"{place.homeserver.url}{PATH}/{path}"
        return requests.post(url, json=seen[0], timeout=60).status_code

    assert [play_back(path) for path in ("room", "invite", "revoke")] == [403, 403, 403]
    place.homeserver.stop()
    place.homeserver.start()
    assert play_back("room") == 403


def test_an_answer_is_known_by_the_homeservers_credential(place):
    room_id = place.ana.create()
    unknown = replace(place.desk, known_by=lambda _name: [credential_hash("another")])
    with pytest.raises(Away):
        unknown.look(room_id=room_id, sender=place.ana.user_id)
    with pytest.raises(Away, match="403 M_FORBIDDEN"):  # a refusal too
        invite(replace(place, desk=unknown), room_id, sender=place.zoe.user_id)


def test_a_homeserver_without_our_module_says_so(synapse, place):
    desk = replace(place.desk, url=synapse.url, server_name=synapse.server_name)
    with pytest.raises(NoModule):
        desk.look(room_id="!a:b", sender="@a:b")


def seen_through(desk: RoomActions, room_id: str, *, owner: str, stranger: str, held: dict) -> list:
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


def test_the_desk_by_value_of_other_tests_answers_as_this_one(place, told_room_actions):
    opened = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}
    room_id = place.ana.create(initial_state=[opened])
    owner, stranger = place.ana.user_id, place.zoe.user_id
    told_room_actions.rooms[room_id] = ToldRoom(members={owner}, may_invite={owner})
    told_room_actions.credential = place.homeserver.server_name
    by_value = replace(place.desk, url=told_room_actions.url)
    facts = {"owner": owner, "stranger": stranger, "held": keys(place)}
    real = seen_through(place.desk, room_id, **facts)
    assert seen_through(by_value, room_id, **facts) == real
    assert real[4] == "refused"
