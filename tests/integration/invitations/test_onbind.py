"""An invitation comes to the invited person's homeserver once."""

from datetime import timedelta

import pytest

from identity.core import outbox, signatures as signing
from identity.core.outbox import Lane
from identity.core.retries import ONBIND
from identity.invitations import delivery, models as third_party_invitations
from identity.invitations.models import Delivery
from identity.threepids import associations
from tests.worlds.worker import *
from tests.worlds.worker import ADDRESS, CAMILLE, ROOM
from workers import tasks


def work(worker_services):
    tasks.run_lane(worker_services, Lane.NORMAL)


def test_the_homeserver_is_told_with_a_signature_its_room_can_check(
    worker_services, invite, bind, now_at, told_homeserver, key
):
    invitation = invite()
    bind()
    work(worker_services)
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


def test_what_was_delivered_is_never_sent_again(
    worker_services, invite, bind, told_homeserver, clock
):
    invitation = invite()
    bind()
    work(worker_services)
    with worker_services.database.transaction() as session:
        outbox.enqueue(session, outbox.JobKind.ONBIND, invitation.id, clock(), lane=Lane.NORMAL)
    work(worker_services)
    bind()
    work(worker_services)
    assert len(told_homeserver.told) == 1


def test_two_invitations_to_one_room_are_one_delivery(
    worker_services, invite, bind, now_at, told_homeserver
):
    both = [invite("one"), invite("two"), invite("three", room_id="!other:x")]
    bind()
    work(worker_services)
    assert len(told_homeserver.told) == 2
    assert sorted(now_at(each) for each in both) == ["delivered", "delivered", "superseded"]


@pytest.mark.parametrize("answer", [(502, b"<html>"), (503, b"{}"), (429, b"{}"), (404, b"no")])
def test_a_homeserver_that_cannot_now_is_told_later(
    worker_services, invite, bind, now_at, told_homeserver, clock, answer
):
    invitation = invite()
    bind()
    told_homeserver.answers = [answer, (200, b"{}")]
    work(worker_services)
    assert now_at(invitation) is Delivery.DUE
    work(worker_services)
    assert len(told_homeserver.told) == 1, "not before its time"
    clock.advance(seconds=1)
    work(worker_services)
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_homeserver_nobody_answers_for_is_tried_for_fourteen_days(
    worker_services, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = [(503, b"{}")]
    began = clock()
    for _ in range(200):
        work(worker_services)
        if now_at(invitation) is Delivery.DEAD:
            break
        with worker_services.database.reading() as session:
            clock.time = outbox.find_by_subject(session, invitation.id).due_at
    assert now_at(invitation) is Delivery.DEAD
    assert timedelta(days=13) < clock() - began <= ONBIND.give_up_after
    assert len(told_homeserver.told) > 50


def test_a_refusal_is_final_and_waits_for_a_person(
    worker_services, invite, bind, now_at, told_homeserver, clock, caplog
):
    invitation = invite()
    bind()
    told_homeserver.answers = [(403, b'{"errcode": "M_FORBIDDEN"}'), (200, b"{}")]
    work(worker_services)
    assert now_at(invitation) is Delivery.DEAD
    assert "waits for an operator: 403 M_FORBIDDEN" in caplog.text
    assert ADDRESS not in caplog.text
    clock.advance(days=1)
    work(worker_services)
    assert len(told_homeserver.told) == 1
    with worker_services.database.transaction() as session:
        row = third_party_invitations.find(session, invitation.id)
        assert delivery.deliver_again(session, clock(), row)
    work(worker_services)
    assert now_at(invitation) is Delivery.DELIVERED


def test_an_address_that_was_unbound_meanwhile_waits_again(
    worker_services, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    with worker_services.database.transaction() as session:
        associations.unbind(session, address=ADDRESS, user_id=CAMILLE)
    work(worker_services)
    assert (now_at(invitation), told_homeserver.told) == (Delivery.WAITING, [])
    bind("@zoe:education.example")
    work(worker_services)
    assert [told["mxid"] for told in told_homeserver.told] == ["@zoe:education.example"]


def test_a_homeserver_that_is_not_ours_is_not_called(
    worker_services, invite, bind, now_at, told_homeserver
):
    invitation = invite()
    bind("@camille:elsewhere.example")
    work(worker_services)
    assert (now_at(invitation), told_homeserver.told) == (Delivery.DEAD, [])


def test_a_homeserver_that_knows_only_put_is_told_so(
    worker_services, invite, bind, now_at, told_homeserver
):
    invitation = invite()
    bind()
    told_homeserver.answers = [(405, b'{"errcode": "M_UNRECOGNIZED"}'), (200, b"{}")]
    work(worker_services)
    assert [method.partition(" ")[0] for method in told_homeserver.methods] == ["POST", "PUT"]
    assert now_at(invitation) is Delivery.DELIVERED
