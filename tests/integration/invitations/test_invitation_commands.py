"""`guichet invitation`: what waits, what was given up, and trying again."""

import uuid
from datetime import timedelta

import pytest

from identity.accounts.models import Account, AccountState
from identity.core import leases, outbox
from identity.core.clock import utc_now
from identity.core.outbox import JobKind, Lane
from identity.invitations.models import Delivery, ThirdPartyInvitation
from tests.worlds.command_line import *

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
        outbox.enqueue(session, JobKind.ONBIND, uuid.UUID(made), clock(), lane=Lane.NORMAL)
    with opened.transaction() as session:
        entry = leases.lease_next(session, clock(), Lane.NORMAL)
        leases.give_up(session, entry, clock(), "403 M_FORBIDDEN")
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


def events(run, invitation_id):
    return [
        (e["happened"], e["by"]) for e in run.json("invitation", "show", invitation_id)["history"]
    ]


def test_it_is_found_by_state_sender_room_and_address(run, add):
    until = utc_now() + timedelta(days=30)
    gil = add(expires_at=until)
    lea = add(
        address="lea@asso.example",
        sender="@ada:education.example",
        room_id="!b:x",
        expires_at=until,
    )
    old = add(address="old@asso.example", expires_at=utc_now() - timedelta(days=1))

    def found(*options):
        listed = run.json("invitation", "list", *options)["invitations"]
        return {each["id"] for each in listed}

    assert found("--sender", "@ada:education.example") == {lea}
    assert found("--room", "!b:x") == {lea}
    assert found("--address", "Gil.Perrin@association.example") == {gil}
    assert found("--state", "expired") == {old}
    assert found("--state", "queued", "--room", "!room:education.example") == {gil}
    assert run.json("invitation", "list")["states"] == {"queued": 2, "expired": 1}


@pytest.fixture
def waiting(add) -> str:
    """Asked for now, by the clock of the command line."""
    return add(created_at=utc_now(), expires_at=utc_now() + timedelta(days=30))


def test_revoked_it_is_over_and_its_homeserver_is_to_be_told(run, waiting, opened):
    run("invitation", "revoke", waiting, "--dry-run")
    assert run.json("invitation", "show", waiting)["state"] == "queued"
    with opened.reading() as session:
        assert outbox.find_by_subject(session, uuid.UUID(waiting)) is None
    shown = run.json("invitation", "revoke", waiting, "--author", "Olga")
    assert shown["state"] == "revoked"
    assert events(run, waiting) == [("revoked", "Olga")]
    with opened.reading() as session:
        assert outbox.find_by_subject(session, uuid.UUID(waiting), JobKind.REVOCATION)
    said = run("invitation", "revoke", waiting, ends=1).stderr
    assert "nothing to revoke, it was revoked" in said


def test_its_mail_is_sent_again_and_once_an_hour_is_enough(run, waiting, opened):
    run("invitation", "resend", waiting, "--dry-run")
    assert run.json("invitation", "show", waiting)["mails"] == []
    run("invitation", "resend", waiting)
    [mail] = run.json("invitation", "show", waiting)["mails"]
    assert (mail["template"], mail["state"]) == ("invite", "waiting")
    assert "a mail was sent not long ago" in run("invitation", "resend", waiting, ends=3).stderr


def test_while_its_room_is_asked_its_mail_is_not_sent_again_and_the_command_says_why(run, add):
    held = add(awaits="report", created_at=utc_now(), expires_at=utc_now() + timedelta(days=30))
    said = run("invitation", "resend", held, ends=3).stderr
    assert "once the room is seen to have taken it" in said
    assert run.json("invitation", "show", held)["mails"] == []


def test_it_is_extended_also_when_it_has_expired(run, add, waiting):
    until = run.json("invitation", "show", waiting)["expires_at"]
    run("invitation", "extend", waiting, "--days", "60", "--dry-run")
    assert run.json("invitation", "show", waiting)["expires_at"] == until
    assert run.json("invitation", "extend", waiting, "--days", "60")["expires_at"] > until
    late = add(address="late@asso.example", expires_at=utc_now() - timedelta(days=3))
    assert run.json("invitation", "extend", late)["state"] == "queued"


def test_a_guest_is_shown_with_who_answers_for_them(run, add, opened, clock):
    made = add()
    with opened.transaction() as session:
        session.add(
            Account(
                address=ADDRESS,
                user_id="@gil:guests.example",
                homeserver="guests.example",
                account_class="guest",
                display_name="Gil",
                language="fr",
                state=AccountState.READY,
                creation_mark="mark",
                created_at=clock(),
                sponsor="@zoe:education.example",
                access_ends_at=clock() + timedelta(days=365),
            )
        )
    for shown in (
        run.json("invitation", "show", made),
        run.json("address", "explain", ADDRESS)["known"],
    ):
        assert (shown["sponsor"], shown["access_ends_at"][:4]) == ("@zoe:education.example", "2028")
    assert (
        "sponsor              @zoe:education.example" in run("address", "explain", ADDRESS).stdout
    )


def test_an_address_is_explained_with_the_invitations_that_wait_for_it(run, waiting):
    assert run.json("address", "explain", ADDRESS)["known"]["invitations"] == 1
    run("invitation", "revoke", waiting)
    assert run.json("address", "explain", ADDRESS)["known"]["invitations"] == 0


def test_what_is_kept_of_a_forgotten_one_is_shown(run, add):
    made = add(address="0123456789ab", state="revoked")
    assert run.json("invitation", "show", made)["address"] == "0123456789ab"
    assert "0123456789ab" in run("invitation", "list").stdout


@pytest.mark.parametrize("command", ["show", "revoke", "resend", "extend", "deliver"])
def test_what_does_not_exist_cannot_be_changed(run, command):
    assert "there is no invitation" in run("invitation", command, str(uuid.uuid4()), ends=1).stderr
