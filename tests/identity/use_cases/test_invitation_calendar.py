"""What time does to invitations: one reminder, a digest a day, an end, and an address that is forgotten."""

import pytest

from identity.storage import invitation_events, third_party_invitations
from identity.use_cases import binding, invitation_calendar, invitations, opting_out, retention

from .inviting import ADA, GIL, ZOE, Inviting

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
    assert run(invitation_calendar.expired, invitation_calendar.expire) == 0
    clock.advance(days=3)
    assert run(invitation_calendar.expired, invitation_calendar.expire) == 1
    ended = zoe.read(row)
    assert (ended.state, ended.ended_at) == ("expired", row.expires_at)
    assert zoe.history(row)[-1] == "expired"


def test_one_reminder_follows_a_week_after_a_mail_that_left(zoe, run, clock):
    zoe.store()
    never_left = zoe.store("lea@association.example")
    zoe.relay_takes_all()
    zoe.act(invitations.note, never_left, *REFUSED, by="worker")
    clock.advance(days=6)
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 0
    clock.advance(days=1)
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 1
    clock.advance(days=7)
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 0
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
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 0


def test_on_a_day_with_three_mails_the_reminder_waits(zoe, run, clock):
    zoe.store()
    zoe.relay_takes_all()
    clock.advance(days=7)
    for number in range(3):
        zoe.store(room_id=f"!{number}:x", sender=ADA)
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 0
    clock.advance(days=1)
    assert run(invitation_calendar.unanswered, invitation_calendar.remind) == 1


def test_what_is_over_three_a_day_comes_in_one_mail(zoe, run, clock):
    rows = [zoe.store(room_id=f"!{number}:x") for number in range(6)]
    zoe.relay_takes_all()
    assert [zoe.where(row) for row in rows] == ["sent"] * 3 + ["queued"] * 3
    job = (invitation_calendar.withheld_from, invitation_calendar.order_digest)
    assert run(*job) == 0, "more may be on their way"
    clock.advance(minutes=30)
    assert run(*job) == 1
    zoe.relay_takes_all()
    assert {zoe.where(row) for row in rows} == {"sent"}
    assert templates(zoe).count("invite_digest") == 1


def test_a_digest_comes_once_a_day(zoe, run, clock):
    job = (invitation_calendar.withheld_from, invitation_calendar.order_digest)
    for number in range(4):
        zoe.store(room_id=f"!{number}:x")
    clock.advance(hours=1)
    assert run(*job) == 1
    clock.advance(minutes=1)
    zoe.store(room_id="!late:x")
    clock.advance(hours=22)
    assert run(*job) == 0
    clock.advance(hours=2)
    assert run(*job) == 1


def test_a_digest_of_nothing_that_stands_is_not_sent(zoe, run, clock):
    rows = [zoe.store(room_id=f"!{number}:x") for number in range(4)]
    for row in rows:
        zoe.act(invitations.revoke, row, by=ZOE)
    clock.advance(hours=1)
    assert run(invitation_calendar.withheld_from, invitation_calendar.order_digest) == 0


def test_what_was_mailed_already_needs_no_digest(zoe, run, clock):
    row = zoe.store()
    zoe.relay_takes_all()
    for _ in range(3):
        clock.advance(hours=2)
        zoe.act(invitations.resend, row, by=ZOE)
    assert ("invite", "withheld") in zoe.mails()
    clock.advance(hours=1)
    assert run(invitation_calendar.withheld_from, invitation_calendar.order_digest) == 0


def test_that_somebody_wants_no_mail_is_told_a_day_later(zoe, run, clock, tokens, database):
    row, other = zoe.store(), zoe.store("lea@association.example")
    with database.transaction() as session:
        opting_out.opt_out(session, tokens, clock(), GIL)
    job = (invitation_calendar.silent, invitation_calendar.tell_inviter, tokens)
    clock.advance(hours=23)
    assert run(*job) == 0
    assert zoe.where(row) == "queued"
    clock.advance(hours=1)
    assert run(*job) == 1
    assert (zoe.where(row), zoe.where(other)) == ("refused", "queued")
    assert zoe.may_register(), "only the mail is unwanted"


def test_some_time_after_the_end_the_address_is_forgotten_and_the_invitation_counted(
    zoe, clock, tokens, database
):
    def hide():
        with database.transaction() as session:
            return retention.hide_addresses(session, tokens, clock())

    revoked, waiting = zoe.store(facts={"room_name": "Appui"}), zoe.store(sender=ADA)
    zoe.act(invitations.revoke, revoked, by=ZOE)
    clock.advance(days=30)
    assert hide() == 0
    clock.advance(minutes=1)
    assert (hide(), hide()) == (1, 0)
    kept = zoe.read(revoked)
    assert (kept.address, kept.facts) == (tokens.mailbox_hash(GIL), {})
    assert zoe.read(waiting).address == GIL
    with database.reading() as session:
        assert third_party_invitations.counts(session) == {"waiting": 2}


def test_half_a_year_after_the_end_it_is_gone_with_its_history(zoe, clock, database):
    row = zoe.store()
    zoe.act(invitations.revoke, row, by=ZOE)
    clock.advance(days=184)
    with database.transaction() as session:
        assert retention.clean_up(session, clock())["invitations"] == 1
    assert zoe.history(row) == []
