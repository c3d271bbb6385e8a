"""An invitation comes to the invited person's homeserver once: S73, and what 06 says of uncertain ends."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from identity import signing
from identity.gateways.homeserver import Refused
from identity.gateways.http_client import Away
from identity.storage import (
    associations,
    homeservers,
    outbox,
    signing_keys,
    third_party_invitations,
)
from identity.storage.outbox import Lane
from identity.storage.third_party_invitations import Delivery, ThirdPartyInvitation
from identity.use_cases import binding
from workers import onbind, tasks

ADDRESS = "camille.durand@ac-rouen.example"
CAMILLE = "@camille:education.example"
ROOM = "!room:education.example"


@dataclass
class Told:
    """A connector by value: knows who is where."""

    rooms: dict[tuple[str, str], str] = field(default_factory=dict)
    failure: Exception | None = None
    asked: int = 0

    def membership(self, user_id, room_id):
        self.asked += 1
        if self.failure:
            raise self.failure
        return self.rooms.get((user_id, room_id))


@pytest.fixture
def connector():
    return Told()


@pytest.fixture
def key(wiring, clock):
    made = signing.new_key("0")
    with wiring.database.transaction() as session:
        signing_keys.add(
            session,
            clock(),
            key_id=made.key_id,
            public_key=made.public,
            sealed_seed=wiring.vault.seal(made.seed.get_secret_value()),
        )
    return made


@pytest.fixture
def wired(wiring, key, connector, told_homeserver):
    with wiring.database.transaction() as session:
        homeservers.find(session, "education.example").url = told_homeserver.url
    return replace(wiring, connector_for=lambda _homeserver: connector)


@pytest.fixture
def alone(wired):
    """The same, where nobody can be asked who is in a room."""
    return replace(wired, connector_for=lambda _homeserver: None)


@pytest.fixture
def invite(wired, clock):
    def invite(token="abc", room_id=ROOM, address=ADDRESS):
        with wired.database.transaction() as session:
            row = ThirdPartyInvitation(
                address=address,
                room_id=room_id,
                sender="@zoe:education.example",
                token=token,
                public_key=f"key of {token}",
                sealed_key="",
                signing_key_id="ed25519:0",
                facts={},
                for_guest=False,
                created_at=clock(),
                expires_at=clock() + timedelta(days=30),
            )
            session.add(row)
            return row

    return invite


@pytest.fixture
def bind(wired, clock):
    def bind(user_id=CAMILLE):
        with wired.database.transaction() as session:
            binding.associate(session, clock(), address=ADDRESS, user_id=user_id)

    return bind


@pytest.fixture
def now_at(wired):
    """Delivery and last error of an invitation."""

    def now_at(invitation):
        with wired.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            return Delivery(row.delivery)

    return now_at


def work(wired):
    tasks.run(wired, Lane.NORMAL)


def test_s73_the_homeserver_is_told_with_a_signature_its_room_can_check(
    wired, invite, bind, now_at, told_homeserver, key
):
    invitation = invite()
    bind()
    work(wired)
    [told] = told_homeserver.told
    [given] = told["invites"]
    assert told_homeserver.methods == ["POST /_matrix/federation/v1/3pid/onbind"]
    assert (told["medium"], told["address"], told["mxid"]) == ("email", ADDRESS, CAMILLE)
    assert (given["room_id"], given["sender"]) == (ROOM, "@zoe:education.example")
    assert (given["signed"]["mxid"], given["signed"]["token"]) == (CAMILLE, "abc")
    signing.verify(
        given["signed"],
        signer="guichet.localhost",
        key_id="ed25519:0",
        public_key=key.public,
    )
    assert now_at(invitation) is Delivery.DELIVERED


def test_what_was_delivered_is_never_sent_again(wired, invite, bind, told_homeserver, clock):
    invitation = invite()
    bind()
    work(wired)
    with wired.database.transaction() as session:
        outbox.put(session, outbox.Errand.ONBIND, invitation.id, clock(), lane=Lane.NORMAL)
    work(wired)
    bind()
    work(wired)
    assert len(told_homeserver.told) == 1


def test_two_invitations_to_one_room_are_one_delivery(wired, invite, bind, now_at, told_homeserver):
    both = [invite("one"), invite("two"), invite("three", room_id="!other:x")]
    bind()
    work(wired)
    assert len(told_homeserver.told) == 2
    assert sorted(now_at(each) for each in both) == ["delivered", "delivered", "superseded"]


@pytest.mark.parametrize("answer", [(502, b"<html>"), (503, b"{}"), (429, b"{}"), (404, b"no")])
def test_a_homeserver_that_cannot_now_is_told_later(
    wired, alone, invite, bind, now_at, told_homeserver, clock, answer
):
    invitation = invite()
    bind()
    told_homeserver.answers = [answer, (200, b"{}")]
    work(alone)
    assert now_at(invitation) is Delivery.DUE
    work(alone)
    assert len(told_homeserver.told) == 1, "not before its time"
    clock.advance(seconds=1)
    work(alone)
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_homeserver_nobody_answers_for_is_tried_for_fourteen_days(
    alone, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = [(503, b"{}")]
    began = clock()
    for _ in range(200):
        work(alone)
        if now_at(invitation) is Delivery.DEAD:
            break
        with alone.database.reading() as session:
            clock.time = outbox.of_subject(session, invitation.id).due_at
    assert now_at(invitation) is Delivery.DEAD
    assert timedelta(days=13) < clock() - began <= onbind.GIVE_UP
    assert len(told_homeserver.told) > 50


def test_a_refusal_is_final_and_waits_for_a_person(
    wired, invite, bind, now_at, told_homeserver, clock, caplog
):
    invitation = invite()
    bind()
    told_homeserver.answers = [(403, b'{"errcode": "M_FORBIDDEN"}'), (200, b"{}")]
    work(wired)
    assert now_at(invitation) is Delivery.DEAD
    assert "waits for an operator: 403 M_FORBIDDEN" in caplog.text
    assert ADDRESS not in caplog.text
    clock.advance(days=1)
    work(wired)
    assert len(told_homeserver.told) == 1
    with wired.database.transaction() as session:
        row = third_party_invitations.find(session, invitation.id)
        assert binding.deliver_again(session, clock(), row)
    work(wired)
    assert now_at(invitation) is Delivery.DELIVERED


@pytest.mark.parametrize("lost", ["hang up", (504, b"<html>"), (500, b"{}")])
def test_after_an_uncertain_end_a_member_is_not_told_again(
    wired, invite, bind, now_at, told_homeserver, connector, clock, lost
):
    invitation = invite()
    bind()
    told_homeserver.answers = [lost]
    work(wired)
    assert now_at(invitation) is Delivery.SENDING
    connector.rooms[CAMILLE, ROOM] = "join"
    clock.advance(minutes=1)
    work(wired)
    assert now_at(invitation) is Delivery.DELIVERED
    assert (len(told_homeserver.told), connector.asked) == (1, 1)


def test_after_an_uncertain_end_who_is_not_there_is_told_again(
    wired, invite, bind, now_at, told_homeserver, connector, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = ["hang up", (200, b"{}")]
    work(wired)
    connector.failure = Away("no answer")
    clock.advance(minutes=1)
    work(wired)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.SENDING, 1)
    connector.failure = Refused("401 M_UNKNOWN_TOKEN")
    clock.advance(minutes=1)
    work(wired)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.SENDING, 1)
    connector.failure = None
    clock.advance(minutes=5)
    work(wired)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.DELIVERED, 2)


def test_after_an_uncertain_end_with_nobody_to_ask_a_person_decides(
    alone, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = ["hang up"]
    work(alone)
    assert now_at(invitation) is Delivery.DEAD
    clock.advance(days=1)
    work(alone)
    assert len(told_homeserver.told) == 1


def test_a_worker_that_died_while_telling_leaves_an_uncertain_end(
    wired, invite, bind, now_at, told_homeserver, connector, clock
):
    invitation = invite()
    bind()
    connector.rooms[CAMILLE, ROOM] = "invite"
    with wired.database.transaction() as session:
        third_party_invitations.move(
            session,
            invitation,
            source=(Delivery.DUE,),
            to=Delivery.SENDING,
            invitee=CAMILLE,
        )
    work(wired)
    assert now_at(invitation) is Delivery.DELIVERED
    assert not told_homeserver.told


def test_an_address_that_was_unbound_meanwhile_waits_again(
    wired, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    with wired.database.transaction() as session:
        associations.unbind(session, address=ADDRESS, user_id=CAMILLE)
    work(wired)
    assert (now_at(invitation), told_homeserver.told) == (Delivery.WAITING, [])
    bind("@zoe:education.example")
    work(wired)
    assert [told["mxid"] for told in told_homeserver.told] == ["@zoe:education.example"]


def test_a_homeserver_that_is_not_ours_is_not_called(wired, invite, bind, now_at, told_homeserver):
    invitation = invite()
    bind("@camille:elsewhere.example")
    work(wired)
    assert (now_at(invitation), told_homeserver.told) == (Delivery.DEAD, [])


def test_a_homeserver_that_knows_only_put_is_told_so(wired, invite, bind, now_at, told_homeserver):
    invitation = invite()
    bind()
    told_homeserver.answers = [(405, b'{"errcode": "M_UNRECOGNIZED"}'), (200, b"{}")]
    work(wired)
    assert [method.partition(" ")[0] for method in told_homeserver.methods] == ["POST", "PUT"]
    assert now_at(invitation) is Delivery.DELIVERED
