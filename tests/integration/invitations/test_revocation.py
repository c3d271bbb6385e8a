"""A revoked invitation: its room is emptied where that can be done, and it is over everywhere."""

import json
from dataclasses import replace
from functools import partial

import pytest

from domain_rules.room_action_answers import credential_hash, seal_answer
from identity.core import outbox, signatures as signing
from identity.core.outbox import Lane
from identity.core.retries import REVOCATION
from identity.homeservers import models as homeservers
from identity.homeservers.room_actions import RoomActions
from identity.invitations import history as invitation_events, service as invitations
from identity.invitations.jobs import revocation
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.mail import models as mails
from tests.worlds.worker import *
from tests.worlds.worker import ADDRESS, ROOM
from workers import tasks

ZOE = "@zoe:education.example"
KEY = "ed25519:0"
PATH = "POST /_synapse/client/org.guichet/v1/revoke"
HOMESERVER = {
    "known_by": credential_hash("the credential of its homeserver"),
    "homeserver": "education.example",
}
UNKNOWN = (404, b'{"errcode": "M_UNRECOGNIZED"}')


@pytest.fixture
def worker_services(told_services, told_homeserver):
    """With the desk of the homeserver that is told things."""
    return replace(told_services, room_actions_for=partial(_desk, told_services, told_homeserver))


def _desk(worker_services, told_homeserver, homeserver):
    def sign(facts):
        return worker_services.sign({**facts, "signer": "guichet.localhost"}, KEY)

    def known_by(_name):
        return [credential_hash("another one"), credential_hash(told_homeserver.credential)]

    return RoomActions(
        homeserver.name,
        homeserver.url,
        sign,
        worker_services.now,
        known_by,
        worker_services.calls,
    )


@pytest.fixture
def revoke(worker_services, clock):
    def revoke(invitation):
        with worker_services.database.transaction() as session:
            row = session.get_one(ThirdPartyInvitation, invitation.id)
            assert invitations.revoke(session, clock(), row, by=ZOE)

    return revoke


@pytest.fixture
def told(worker_services):
    """What the history says, newest last."""

    def told(invitation):
        with worker_services.database.reading() as session:
            found = invitation_events.find_events(session, invitation.id)
            return [(event.happened, event.detail) for event in found]

    return told


def work(worker_services):
    tasks.run_lane(worker_services, Lane.NORMAL)


def test_the_inviters_homeserver_is_asked_with_our_signature(
    worker_services, invite, revoke, told, told_homeserver, key
):
    invitation = invite()
    revoke(invitation)
    work(worker_services)
    [asked] = told_homeserver.told
    assert told_homeserver.methods == [PATH]
    assert (asked["room_id"], asked["token"], asked["sender"]) == (ROOM, "abc", ZOE)
    assert (asked["destination"], asked["action"]) == ("education.example", "revoke")
    signing.verify(asked, signer="guichet.localhost", key_id=KEY, public_key=key.public)
    assert [happened for happened, _ in told(invitation)] == ["revoked", "room_emptied"]


def by_another_letter(facts, asked):
    return seal_answer(facts, **HOMESERVER | {"action": "revoke", "letter": "an older one"})


def by_another_homeserver(facts, asked):
    about = HOMESERVER | {"homeserver": "guests.example"}
    return seal_answer(facts, **about, action="revoke", nonce=asked["nonce"])


def by_a_stranger(facts, asked):
    about = HOMESERVER | {"known_by": credential_hash("guess")}
    return seal_answer(facts, **about, action="revoke", nonce=asked["nonce"])


def about_something_else(facts, asked):
    return seal_answer(facts, **HOMESERVER, action="invite", nonce=asked["nonce"])


def with_other_facts(facts, asked):
    true = seal_answer({"event_id": None}, **HOMESERVER, action="revoke", nonce=asked["nonce"])
    return true | {"event_id": "$made-up"}


def by_whatever_stands_there(facts, asked):
    return facts


def with_a_mark_of_another_shape(facts, asked):
    return {"org.guichet.answer": {"seal": "é"}}


@pytest.mark.parametrize(
    "answer",
    [
        by_another_letter,
        by_another_homeserver,
        by_a_stranger,
        about_something_else,
        with_other_facts,
        by_whatever_stands_there,
        with_a_mark_of_another_shape,
    ],
)
def test_an_answer_that_is_not_our_modules_to_this_letter_is_no_answer(
    worker_services, invite, revoke, told, told_homeserver, clock, answer
):
    """Nothing is taken for done: it is asked again, until the module itself has answered."""
    invitation = invite()
    genuine, told_homeserver.as_module = told_homeserver.as_module, answer
    revoke(invitation)
    work(worker_services)
    assert [happened for happened, _ in told(invitation)] == ["revoked"]
    told_homeserver.as_module = genuine
    clock.advance(minutes=1)
    work(worker_services)
    assert [happened for happened, _ in told(invitation)] == ["revoked", "room_emptied"]
    first, second = (asked["nonce"] for asked in told_homeserver.told)
    assert first != second


@pytest.fixture
def ended(worker_services, invite, revoke, told, clock):
    """The last line of the history, a day after a revocation that the homeserver did not carry out."""

    def ended():
        invitation = invite()
        revoke(invitation)
        work(worker_services)
        clock.advance(days=1)
        work(worker_services)
        return told(invitation)[-1]

    return ended


@pytest.mark.parametrize("answer", [UNKNOWN, (404, b"<html>not found</html>")])
def test_a_homeserver_that_cannot_leaves_a_note_and_is_not_asked_again(
    told_homeserver, ended, answer
):
    told_homeserver.answers = [answer]
    happened, detail = ended()
    assert happened == "room_not_emptied"
    assert "no module of ours" in detail
    assert len(told_homeserver.told) == 1


def test_what_our_module_refuses_leaves_a_note_and_is_not_asked_again(told_homeserver, ended):
    told_homeserver.refusals = [(403, {"errcode": "M_FORBIDDEN", "error": "nobody here may"})]
    happened, detail = ended()
    assert happened == "room_not_emptied"
    assert "refused (403 M_FORBIDDEN)" in detail
    assert len(told_homeserver.told) == 1


def as_it_stands(facts, asked, status):
    return facts


def sealed_as_a_yes(facts, asked, status):
    return seal_answer(facts, **HOMESERVER, action="revoke", nonce=asked["nonce"])


def sealed_with_another_status(facts, asked, status):
    return seal_answer(facts, **HOMESERVER, action="revoke", nonce=asked["nonce"], status=418)


def sealed_for_an_older_letter(facts, asked, status):
    return seal_answer(facts, **HOMESERVER, action="revoke", nonce="an older one", status=status)


def sealed_by_a_stranger(facts, asked, status):
    about = HOMESERVER | {"known_by": credential_hash("guess")}
    return seal_answer(facts, **about, action="revoke", nonce=asked["nonce"], status=status)


def with_another_reason(facts, asked, status):
    true = seal_answer(facts, **HOMESERVER, action="revoke", nonce=asked["nonce"], status=status)
    return true | {"errcode": "M_UNKNOWN"}


@pytest.mark.parametrize(
    "refuse",
    [
        *(as_it_stands, sealed_as_a_yes, sealed_with_another_status),
        *(sealed_for_an_older_letter, sealed_by_a_stranger, with_another_reason),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_that_is_not_our_modules_to_this_letter_ends_nothing(
    worker_services, invite, revoke, told, told_homeserver, clock, refuse, status
):
    invitation = invite()
    genuine, told_homeserver.as_module = told_homeserver.as_module, refuse
    told_homeserver.refusals = [(status, {"errcode": "M_FORBIDDEN", "error": "no"})]
    revoke(invitation)
    work(worker_services)
    assert [happened for happened, _ in told(invitation)] == ["revoked"]
    told_homeserver.as_module = genuine
    clock.advance(minutes=1)
    work(worker_services)
    assert [happened for happened, _ in told(invitation)] == ["revoked", "room_emptied"]


def test_a_refusal_of_our_module_is_not_turned_into_a_yes(
    worker_services, invite, revoke, told, told_homeserver
):
    def with_the_seal_of_a_no(facts, asked):
        return seal_answer(facts, **HOMESERVER, action="revoke", nonce=asked["nonce"], status=403)

    invitation = invite()
    told_homeserver.as_module = with_the_seal_of_a_no
    revoke(invitation)
    work(worker_services)
    assert [happened for happened, _ in told(invitation)] == ["revoked"]


def test_a_homeserver_that_is_gone_from_the_federation_is_not_called(
    worker_services, invite, revoke, told, told_homeserver
):
    invitation = invite()
    revoke(invitation)
    with worker_services.database.transaction() as session:
        session.delete(homeservers.find(session, "education.example"))
    work(worker_services)
    assert told_homeserver.told == []
    assert "not registered" in told(invitation)[-1][1]


def test_a_homeserver_that_is_away_is_asked_for_three_days(
    worker_services, invite, revoke, told, told_homeserver, clock
):
    invitation = invite()
    told_homeserver.answers = [(503, b"{}")]
    revoke(invitation)
    began = clock()
    for _ in range(50):
        work(worker_services)
        with worker_services.database.reading() as session:
            entry = outbox.find_by_subject(session, invitation.id)
        if entry.gave_up_at:
            break
        clock.time = entry.due_at
    assert clock() - began <= REVOCATION.give_up_after
    assert told(invitation)[-1] == (
        "room_not_emptied",
        f"its homeserver is away: {revocation.NOT_CLEARED}",
    )
    assert json.dumps(told_homeserver.told).count(ADDRESS) == 0


def test_what_is_revoked_before_its_mail_leaves_is_not_mailed(
    worker_services, invite, revoke, postbox, clock
):
    invitation = invite()
    with worker_services.database.transaction() as session:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        invitations.order_mail(session, clock(), row, by=ZOE)
    revoke(invitation)
    clock.advance(minutes=1)
    work(worker_services)
    assert postbox.sent == []
    with worker_services.database.reading() as session:
        assert [mail.state for mail in mails.find_recent(session)] == ["dropped"]


def test_what_is_revoked_before_the_homeserver_is_told_is_not_told(
    worker_services, invite, bind, revoke, now_at, told_homeserver
):
    invitation = invite()
    bind()
    revoke(invitation)
    work(worker_services)
    assert told_homeserver.methods == [PATH]
    assert now_at(invitation) is Delivery.WAITING
