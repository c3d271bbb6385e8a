"""`guichet invitation`: what waits, what was given up, and trying again."""

import uuid
from datetime import timedelta

import pytest

from identity.storage import outbox
from identity.storage.outbox import Errand, Lane
from identity.storage.third_party_invitations import Delivery, ThirdPartyInvitation

ADDRESS = "gil.perrin@association.example"


@pytest.fixture
def add(opened, clock):
    """An invitation; `add(delivery=Delivery.DEAD)`."""

    def add(**facts) -> str:
        with opened.transaction() as session:
            row = ThirdPartyInvitation(
                **{
                    "address": ADDRESS,
                    "room_id": "!room:education.example",
                    "sender": "@zoe:education.example",
                    "token": uuid.uuid4().hex,
                    "public_key": uuid.uuid4().hex,
                    "sealed_key": "a sealed key",
                    "signing_key_id": "ed25519:0",
                    "facts": {"room_name": "Secret room"},
                    "for_guest": True,
                    "created_at": clock(),
                    "expires_at": clock() + timedelta(days=30),
                }
                | facts
            )
            session.add(row)
        return str(row.id)

    return add


@pytest.fixture
def dead(add, opened, clock) -> str:
    """Refused by the homeserver for good."""
    made = add(delivery=Delivery.DEAD, invitee="@gil:guests.example", last_error="403 M_FORBIDDEN")
    with opened.transaction() as session:
        outbox.put(session, Errand.ONBIND, uuid.UUID(made), clock(), lane=Lane.NORMAL)
    with opened.transaction() as session:
        entry = outbox.lease_next(session, clock(), Lane.NORMAL)
        outbox.give_up(session, entry, clock(), "403 M_FORBIDDEN")
    return made


def test_what_needs_an_operator_is_found_by_its_delivery(run, add, dead):
    add()
    shown = run.json("invitation", "list", "--delivery", "dead")
    assert shown["counts"] == {"dead": 1, "waiting": 1}
    assert [each["id"] for each in shown["invitations"]] == [dead]
    assert len(run("invitation", "list").stdout.splitlines()) == 2


def test_an_invitation_is_shown_without_its_secrets(run, dead):
    shown = run.json("invitation", "show", dead)
    assert (shown["delivery"], shown["last_error"]) == ("dead", "403 M_FORBIDDEN")
    assert (shown["attempts"], shown["invitee"]) == (1, "@gil:guests.example")
    for said in (
        str(shown),
        run("invitation", "show", dead).stdout,
        run("invitation", "list").stdout,
    ):
        for secret in (ADDRESS, "Secret room", "sealed"):
            assert secret not in said


def test_a_dead_delivery_is_tried_again(run, dead):
    run("invitation", "deliver", dead, "--dry-run")
    assert run.json("invitation", "show", dead)["delivery"] == "dead"
    run("invitation", "deliver", dead)
    shown = run.json("invitation", "show", dead)
    assert shown["delivery"] == "due"
    assert shown["due_at"]


def test_what_is_not_to_be_delivered_is_left_alone(run, add):
    waiting = add()
    said = run("invitation", "deliver", waiting, ends=1).stderr
    assert "nobody has bound the address yet" in said
    delivered = add(delivery=Delivery.DELIVERED)
    assert "nothing to deliver" in run("invitation", "deliver", delivered, ends=1).stderr


def test_an_unknown_invitation_is_said_so(run):
    nobody = str(uuid.uuid4())
    assert f"there is no invitation {nobody}" in run("invitation", "show", nobody, ends=1).stderr
