"""A homeserver asks whether somebody may invite an address, before store-invite is asked to."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.accounts import room_members
from identity.homeservers import credentials
from identity.invitations import muting
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.threepids import associations
from tests.worlds.api import *
from tests.worlds.inviting import stored_in_room

PATH = "/api/homeserver/v1/may-invite"
ZOE = "@zoe:education.example"


@pytest.fixture
def ask(either, credential):
    def ask(address="gil@asso.example", sender=ZOE, **more):
        asked = {"sender": sender, "medium": "email", "address": address, "room_id": "!a:x"}
        return either.post(PATH, json=asked | more, headers=credential)

    return ask


def test_who_may_invite_hears_nothing_more(ask):
    answer = ask()
    assert (answer.status_code, answer.json) == (200, {"allowed": True})


def test_a_paused_inviter_is_told_until_when_and_may_invite_agents(ask, services, clock):
    with services.database.transaction() as session:
        for number in range(3):
            address = f"guest{number}@asso.example"
            muting.mute(session, services.hashes, clock(), address=address, sender=ZOE)
    told = ask().json
    assert told == {
        "allowed": False,
        "org.guichet.reason": "invitations_paused",
        "org.guichet.until": "2027-03-31T09:00:00+00:00",
    }
    assert ask("camille@ac-rouen.example").json == {"allowed": True}
    clock.advance(days=30)
    assert ask().json == {"allowed": True}


def test_over_the_quota_it_is_told_when_there_is_room_again(ask, services, rules, clock):
    for number in range(50):
        address = EmailAddress.parse(f"guest{number}@asso.example")
        with services.database.transaction() as session:
            stored_in_room(
                session,
                rules,
                clock(),
                invited=InviteRequest(address.canonical, address, "!a:x", ZOE),
                key=EphemeralKey(f"public {number}", "sealed"),
                signing_key_id="ed25519:0",
            )
    told = ask().json
    assert (told["org.guichet.reason"], told["retry_after_ms"]) == (
        "too_many_invitations",
        24 * 3600 * 1000,
    )
    assert ask("guest7@asso.example").json == {"allowed": True}, "it is invited already"


def test_who_is_in_the_room_with_the_inviter_is_not_invited_in_another_spelling(
    ask, services, clock
):
    """Synapse would make a 500 of what store-invite answers."""
    mia = "@mia:mixed.example"
    with services.database.transaction() as session:
        associations.bind(session, clock(), address="mia@asso.example", user_id=mia)
        room_members.record_join(session, clock(), room_id="!a:x", user_id=mia)
    assert ask("MIA@asso.example").json == {"allowed": True}, "who is not there learns nothing"
    with services.database.transaction() as session:
        room_members.record_join(session, clock(), room_id="!a:x", user_id=ZOE)
    assert ask("MIA@asso.example").json == {
        "allowed": False,
        "org.guichet.reason": "already_in_the_room",
    }


@pytest.mark.parametrize("fault", [{"address": "no address"}, {"medium": "msisdn"}])
def test_what_is_no_address_cannot_be_invited(ask, fault):
    assert ask(**fault).json == {
        "allowed": False,
        "org.guichet.reason": "address_not_accepted",
    }


def test_a_homeserver_asks_for_its_own_users_alone(ask, either, services, clock):
    assert ask(sender="@eve:guests.example").status_code == 403
    assert ask(sender=5).status_code == 400
    with services.database.transaction() as session:
        token = credentials.issue(session, clock(), homeserver="guests.example")
    asked = {"sender": ZOE, "medium": "email", "address": "gil@asso.example", "room_id": "!a:x"}
    headers = {"Authorization": f"Bearer {token}"}
    assert either.post(PATH, json=asked, headers=headers).status_code == 403
    assert either.post(PATH, json=asked).status_code == 403
