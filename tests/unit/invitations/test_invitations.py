"""The life of an invitation: asked for again, sent again, extended, revoked, declined."""

import pytest

from identity import problems
from identity.binding import service as binding
from identity.core.outbox import JobKind
from identity.invitations import (
    models as third_party_invitations,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, State
from identity.invitations.states import last_open_state, record_event
from identity.threepids import associations
from tests.worlds.inviting import ADA, GIL, ROOM, ZOE, Inviting
from tests.worlds.sign_ups import *

INVITEE = "@gil:guests.example"


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


def bind(zoe, address=GIL, user_id=INVITEE):
    with zoe.database.transaction() as session:
        binding.associate(session, zoe.clock(), address=address, user_id=user_id)


def key_is_valid(zoe, row):
    with zoe.database.reading() as session:
        return third_party_invitations.ephemeral_key_is_valid(session, row.public_key, zoe.clock())


def test_the_same_invitation_again_is_the_same_one_and_stands_longer(zoe, clock):
    first = zoe.store()
    clock.advance(days=10)
    again = zoe.store()
    assert (again.id, again.token, again.public_key) == (first.id, first.token, first.public_key)
    assert again.expires_at == clock() + (first.expires_at - first.created_at)
    assert zoe.history(first) == ["created", "mailed", "extended", "mailed"]


def test_another_room_address_or_inviter_is_another_invitation(zoe):
    tokens = {
        zoe.store().token,
        zoe.store(room_id="!other:x").token,
        zoe.store(sender=ADA).token,
        zoe.store("lea@association.example").token,
    }
    assert len(tokens) == 4


def test_however_it_is_written_it_is_the_same_address(zoe):
    assert zoe.store().token == zoe.store("Gil@Association.EXAMPLE").token


@pytest.mark.parametrize("end", ["revoked", "declined", "expired"])
def test_what_has_ended_is_followed_by_a_new_one(zoe, clock, end):
    first = zoe.store()
    if end == "revoked":
        zoe.act(invitations.revoke, first, by=ZOE)
    elif end == "declined":
        zoe.act(invitations.decline, first, unknown_inviter=False, by=INVITEE)
    else:
        clock.advance(days=30)
    assert zoe.where(first) == end
    second = zoe.store()
    assert second.token != first.token
    assert (zoe.where(first), zoe.where(second)) == (end, "queued")


def test_the_relay_takes_the_mail_and_it_is_sent(zoe):
    row = zoe.store()
    zoe.relay_takes_all()
    assert zoe.where(row) == "sent"


def test_a_revoked_one_ends_at_once_in_every_way(zoe):
    row = zoe.store()
    assert zoe.may_register()
    assert key_is_valid(zoe, row)
    assert zoe.act(invitations.revoke, row, by=ZOE)
    assert not zoe.may_register()
    assert not key_is_valid(zoe, row)
    assert zoe.errands(JobKind.REVOCATION) == 1
    bind(zoe)
    assert (zoe.where(row), zoe.read(row).delivery) == ("revoked", Delivery.WAITING)
    assert not zoe.act(invitations.revoke, row, by=ZOE)
    assert not zoe.act(invitations.resend, row, by=ZOE)
    assert not zoe.act(invitations.extend, row, by=ZOE)
    assert zoe.history(row) == ["created", "mailed", "revoked"]


def test_what_the_room_forgot_already_is_not_asked_of_it_again(zoe):
    row = zoe.store()
    assert zoe.act(invitations.revoke, row, by=ZOE, in_room=False)
    assert zoe.errands(JobKind.REVOCATION) == 0


def test_one_that_was_taken_up_but_not_told_yet_can_be_revoked(zoe):
    row = zoe.store()
    bind(zoe)
    assert (zoe.where(row), zoe.read(row).delivery) == ("accepted", Delivery.DUE)
    assert zoe.act(invitations.revoke, row, by=ZOE)
    assert zoe.read(row).delivery == Delivery.WAITING


def test_a_time_that_ran_out_ends_the_right_and_the_key_before_any_timetable(zoe, clock):
    row = zoe.store()
    clock.advance(days=30)
    assert not zoe.may_register()
    assert not key_is_valid(zoe, row)
    bind(zoe)
    assert zoe.read(row).delivery == Delivery.WAITING


def test_an_expired_one_stands_again_when_it_is_extended(zoe, clock):
    row = zoe.store()
    clock.advance(days=31)
    assert zoe.act(invitations.extend, row, by=ZOE, days=5)
    assert zoe.may_register()
    clock.advance(days=5)
    assert zoe.where(row) == "expired"


def test_an_expired_one_stays_so_if_a_newer_took_its_place(zoe, clock):
    row = zoe.store()
    clock.advance(days=31)
    zoe.store()
    assert not zoe.act(invitations.extend, row, by=ZOE)


def test_extending_never_shortens(zoe, clock):
    row = zoe.store()
    assert zoe.act(invitations.extend, row, by=ZOE, days=3)
    assert zoe.read(row).expires_at == row.expires_at


def test_its_mail_is_sent_again_at_most_once_an_hour(zoe, clock):
    row = zoe.store()
    zoe.relay_takes_all()
    assert not zoe.act(invitations.resend, row, by=ZOE)
    clock.advance(hours=1)
    assert zoe.act(invitations.resend, row, by=ZOE)
    assert not zoe.act(invitations.resend, row, by=ZOE)
    assert [template for template, _ in zoe.mails()] == ["invite", "invite"]


def test_a_declined_one_can_be_taken_back_for_a_week(zoe, clock):
    row = zoe.store()
    zoe.relay_takes_all()
    assert zoe.act(invitations.decline, row, unknown_inviter=False, by="the invited person")
    assert not zoe.may_register()
    clock.advance(days=7, seconds=-1)
    assert zoe.act(invitations.undo_decline, row)
    assert (zoe.where(row), zoe.may_register()) == ("sent", True)
    zoe.act(invitations.decline, row, unknown_inviter=False, by="the invited person")
    clock.advance(days=7)
    assert not zoe.act(invitations.undo_decline, row)


def test_who_has_come_meanwhile_gets_what_they_take_back(zoe):
    row = zoe.store()
    zoe.act(invitations.decline, row, unknown_inviter=False, by="the invited person")
    bind(zoe)
    assert zoe.act(invitations.undo_decline, row)
    assert (zoe.where(row), zoe.read(row).delivery) == ("accepted", Delivery.DUE)


@pytest.mark.slow
def test_an_inviter_whom_three_do_not_know_invites_no_guests_for_a_while(zoe, clock):
    for number in range(3):
        row = zoe.store(f"guest{number}@association.example")
        zoe.act(invitations.decline, row, unknown_inviter=True, by="the invited person")
        clock.advance(days=5)
    with pytest.raises(problems.InvitationsPaused) as paused:
        zoe.store()
    assert paused.value.further["org.guichet.until"].startswith("2027-03-31")
    assert zoe.store("lea@ac-rouen.example")
    assert zoe.store(sender=ADA)
    clock.advance(days=15)
    assert zoe.store()


@pytest.mark.slow
def test_a_slip_does_not_count_against_the_inviter(zoe):
    rows = [zoe.store(f"guest{number}@association.example") for number in range(3)]
    for row in rows:
        zoe.act(invitations.decline, row, unknown_inviter=True, by="the invited person")
    zoe.act(invitations.undo_decline, rows[0])
    assert zoe.store()


def test_an_agent_is_invited_as_an_agent_and_needs_no_invitation(zoe):
    assert not zoe.store("lea@ac-rouen.example").for_guest
    assert zoe.store().for_guest
    assert zoe.may_register("lea@ac-rouen.example")
    assert not zoe.may_register("nobody@association.example")


def test_an_invitation_counts_as_long_as_its_sender_may_invite(zoe):
    zoe.store(sender="@was:guests.example")
    assert not zoe.may_register()
    zoe.store()
    assert zoe.may_register()


def test_a_guest_is_sponsored_by_who_invited_first_of_those_that_stand(zoe, clock):
    def sponsor():
        with zoe.database.reading() as session:
            return invitations.sponsor_of(session, GIL, clock())

    assert sponsor() is None
    first = zoe.store()
    clock.advance(hours=1)
    zoe.store(sender=ADA)
    assert sponsor() == ZOE
    bind(zoe)
    assert sponsor() == ZOE
    zoe.act(invitations.revoke, first, by=ZOE)
    assert sponsor() == ADA


def test_a_dead_delivery_is_tried_again_when_the_person_is_invited_again(zoe, clock):
    row = zoe.store()
    bind(zoe)
    with zoe.database.transaction() as session:
        third_party_invitations.move_delivery(
            session, row, source=(Delivery.DUE,), to=Delivery.DEAD, last_error="refused"
        )
    # Synapse found nobody: it hashed what was typed.
    again = zoe.store("Gil@association.example")
    assert (again.token, zoe.read(row).delivery) == (row.token, Delivery.DUE)


def test_who_was_delivered_and_is_invited_again_gets_a_new_one(zoe):
    row = zoe.store()
    bind(zoe)
    zoe.act(
        invitation_states.record_event,
        row,
        State.DELIVERED,
        Happened.DELIVERED,
        by="worker",
    )
    assert zoe.store("Gil@association.example").token != row.token


def test_an_address_that_nobody_takes_is_not_invited(zoe):
    zoe.rules = type(zoe.rules).compile(
        [rule for rule in zoe.rules.rules if rule.kind != "default"], revision=2
    )
    with pytest.raises(problems.NotAllowed):
        zoe.store()
    with zoe.database.transaction() as session:
        associations.bind(session, zoe.clock(), address=GIL, user_id=INVITEE)
    assert zoe.store("Gil@association.example", room_id=ROOM).delivery


def test_what_was_refused_is_open_as_refused_and_as_queued_once_its_mail_is_ordered_again(
    zoe, clock
):
    invitation = zoe.store()
    with zoe.database.transaction() as session:
        row = zoe.read_in(session, invitation)
        record_event(session, clock(), row, State.REFUSED, Happened.REFUSED, by="mail")
        assert last_open_state(session, row) is State.REFUSED
        clock.advance(hours=2)
        record_event(session, clock(), row, State.QUEUED, Happened.MAILED, by="tests")
        assert last_open_state(session, row) is State.QUEUED


def test_what_was_sent_and_mailed_once_more_or_refused_and_declined_is_open_as_it_was(zoe, clock):
    sent, refused = zoe.store(), zoe.store("Gil@association.example")
    with zoe.database.transaction() as session:
        row = zoe.read_in(session, sent)
        record_event(session, clock(), row, State.SENT, Happened.SENT, by="mail")
        clock.advance(days=1)
        record_event(session, clock(), row, None, Happened.MAILED, by="tests")
        assert last_open_state(session, row) is State.SENT
        row = zoe.read_in(session, refused)
        record_event(session, clock(), row, State.REFUSED, Happened.REFUSED, by="mail")
        clock.advance(days=1)
        record_event(session, clock(), row, State.DECLINED, Happened.DECLINED, by="tests")
        assert last_open_state(session, row) is State.REFUSED


def test_an_event_leads_only_where_the_table_says(zoe, clock):
    invitation = zoe.store()
    with zoe.database.transaction() as session:
        row = zoe.read_in(session, invitation)
        with pytest.raises(ValueError, match=r"^sent does not lead to joined$"):
            record_event(session, clock(), row, State.JOINED, Happened.SENT, by="mail")


def test_what_was_accepted_in_time_ends_when_it_is_revoked_however_late(zoe, clock):
    invitation = zoe.store()
    bind(zoe)
    clock.advance(days=60)
    with zoe.database.transaction() as session:
        row = zoe.read_in(session, invitation)
        assert row.state == State.ACCEPTED
        assert record_event(session, clock(), row, State.REVOKED, Happened.REVOKED, by="tests")
        assert row.ended_at == clock() > row.expires_at
