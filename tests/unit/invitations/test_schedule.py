"""What time does to invitations: one reminder of all, an end, and an address that is forgotten."""

import pytest

from identity.binding import service as binding
from identity.invitations import (
    history as invitation_events,
    models as third_party_invitations,
    opting_out,
    schedule,
    service as invitations,
    states as invitation_states,
)
from identity.mail import models as mails
from identity.maintenance import retention
from tests.worlds.cleaning import cleaned
from tests.worlds.inviting import ADA, GIL, ZOE, Inviting
from tests.worlds.sign_ups import *

PEOPLE = (ZOE, ADA)
REFUSED = (third_party_invitations.State.REFUSED, invitation_events.Happened.REFUSED)


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


@pytest.fixture
def run(zoe):
    """A job of the timetable, twice: the second time it finds nothing to do."""

    def run(due, act, *tokens):
        with zoe.database.transaction() as session:
            found = due(session, zoe.clock())
            done = [act(session, *tokens, zoe.clock(), each) for each in found]
        with zoe.database.transaction() as session:
            assert not any(act(session, *tokens, zoe.clock(), each) for each in found)
        return sum(done)

    return run


def templates(zoe):
    return [template for template, _ in zoe.mails()]


def test_after_thirty_days_it_is_written_down_that_it_ended_then(zoe, run, clock):
    row = zoe.store()
    clock.advance(days=29)
    assert run(schedule.find_expired, schedule.expire) == 0
    clock.advance(days=3)
    assert run(schedule.find_expired, schedule.expire) == 1
    ended = zoe.read(row)
    assert (ended.state, ended.ended_at) == ("expired", row.expires_at)
    assert zoe.history(row)[-1] == "expired"


@pytest.mark.slow
def test_one_reminder_follows_a_week_after_a_mail_that_left(zoe, run, clock):
    zoe.store()
    never_left = zoe.store("lea@association.example")
    zoe.relay_takes_all()
    zoe.act(invitation_states.record_event, never_left, *REFUSED, by="worker")
    clock.advance(days=6)
    assert run(schedule.find_unanswered, schedule.remind) == 0
    clock.advance(days=1)
    assert run(schedule.find_unanswered, schedule.remind) == 1
    clock.advance(days=7)
    assert run(schedule.find_unanswered, schedule.remind) == 0
    assert templates(zoe) == ["invite", "invite", "reminder"]


@pytest.mark.parametrize("end", ["revoked", "declined", "taken"])
def test_who_has_answered_is_not_reminded(zoe, run, clock, end):
    row = zoe.store()
    zoe.relay_takes_all()
    if end == "revoked":
        zoe.act(invitations.revoke, row, by=ZOE)
    elif end == "declined":
        zoe.act(invitations.decline, row, unknown_inviter=False, by="the invited person")
    else:
        with zoe.database.transaction() as session:
            binding.associate(session, clock(), address=GIL, user_id="@gil:guests.example")
    clock.advance(days=8)
    assert run(schedule.find_unanswered, schedule.remind) == 0


@pytest.mark.slow
def test_after_another_mail_the_reminder_waits(zoe, run, clock):
    zoe.store()
    zoe.relay_takes_all()
    clock.advance(days=7)
    zoe.store(room_id="!other:x", sender=ADA)
    zoe.relay_takes_all()
    assert run(schedule.find_unanswered, schedule.remind) == 0
    clock.advance(minutes=30)
    assert run(schedule.find_unanswered, schedule.remind) == 1


@pytest.mark.slow
def test_one_reminder_tells_of_all_that_is_due(zoe, run, clock):
    rows = [zoe.store(room_id=f"!{number}:x", sender=who) for number in range(50) for who in PEOPLE]
    zoe.relay_takes_all()
    clock.advance(days=7)
    assert run(schedule.find_unanswered, schedule.remind) == 1
    assert templates(zoe) == ["invite", "reminder"]
    assert {zoe.history(row)[-1] for row in rows} == {"reminded"}


@pytest.mark.slow
def test_a_mailbox_gets_one_reminder_a_day_however_its_addresses_are_tagged(zoe, run, clock):
    for tag in ("", "+a", "+b"):
        zoe.store(f"gil{tag}@association.example")
        clock.advance(minutes=31)
        zoe.relay_takes_all()
    clock.advance(days=8)
    for _ in range(3):
        assert run(schedule.find_unanswered, schedule.remind) == 1
        zoe.relay_takes_all()
        clock.advance(hours=12)
        assert run(schedule.find_unanswered, schedule.remind) == 0
        clock.advance(hours=12)
    with zoe.database.reading() as session:
        reminded = [
            mail.address for mail in mails.find_recent(session) if mail.template == "reminder"
        ]
    assert reminded[-1] == GIL, "the address itself comes first"
    assert len(set(reminded)) == 3


@pytest.mark.slow
def test_that_somebody_wants_no_mail_is_told_a_day_later(zoe, run, clock, hashes, database):
    row, other = zoe.store(), zoe.store("lea@association.example")
    with database.transaction() as session:
        opting_out.opt_out(session, hashes, clock(), "gil+tag@association.example")
    job = (schedule.find_silent, schedule.tell_inviter, hashes)
    clock.advance(hours=23)
    assert run(*job) == 0
    assert zoe.where(row) == "queued"
    clock.advance(hours=1)
    assert run(*job) == 1
    assert (zoe.where(row), zoe.where(other)) == ("refused", "queued")
    assert zoe.may_register(), "only the mail is unwanted"


def test_some_time_after_the_end_the_address_is_forgotten_and_the_invitation_counted(
    zoe, clock, hashes, database
):
    def hide():
        with database.transaction() as session:
            return retention.hide_addresses(session, hashes, clock())

    revoked, waiting = zoe.store(facts={"room_name": "Appui"}), zoe.store(sender=ADA)
    zoe.act(invitations.revoke, revoked, by=ZOE)
    clock.advance(days=30)
    assert hide() == 0
    clock.advance(minutes=1)
    assert (hide(), hide()) == (1, 0)
    kept = zoe.read(revoked)
    assert zoe.read(waiting).address == GIL
    with database.transaction() as session:
        assert (kept.address, kept.facts) == (hashes.pseudonym_of(session, GIL), {})
        assert third_party_invitations.count_by_delivery(session) == {"waiting": 2}


def test_half_a_year_after_the_end_it_is_gone_with_its_history(zoe, clock, database):
    row = zoe.store()
    zoe.act(invitations.revoke, row, by=ZOE)
    clock.advance(days=184)
    with database.transaction() as session:
        assert cleaned(session, clock())["invitations"] == 1
    assert zoe.history(row) == []
