"""No mail of an invitation leaves before its room took it, and none is lost without a word."""

from domain_rules.addresses import EmailAddress
from identity.binding import service as binding
from identity.core import outbox
from identity.core.outbox import JobKind
from identity.invitations import search as invitation_search, service as invitations
from identity.invitations.room_agreement import LATE
from tests.worlds.worker import *
from tests.worlds.worker_rooms import *
from tests.worlds.worker_rooms import GIL, HERS, ZOE


def test_without_a_module_the_mail_leaves_after_a_short_grace(store, after, mailed, read):
    invitation = store()
    after(seconds=2)
    assert (mailed(), read(invitation)[1]) == ([], "grace")
    after(seconds=1)
    assert mailed() == ["invite"]


def test_with_a_module_it_leaves_when_the_room_took_it_and_not_before(
    hear, room, store, took, after, mailed
):
    hear()
    invitation = store()
    after(seconds=14)
    assert mailed() == []
    assert took(invitation) == "ok"
    after(seconds=0)
    assert mailed() == ["invite"]
    assert took(invitation) == "ok"
    after(hours=80)
    assert mailed() == ["invite"]


def test_several_at_once_go_in_one_mail_also_as_reports_come_one_by_one(
    hear, room, store, took, report, after, mailed
):
    hear()
    one, two = store(), store(room_id="!second:education.example")
    took(one)
    report("third_party_invited", room_id=two.room_id, token=two.token, sender=ZOE)
    after(seconds=3)
    assert mailed() == ["invite"]


def test_a_report_that_was_lost_is_asked_for(hear, room, store, after, mailed):
    hear()
    invitation = store()
    after(seconds=3)
    assert mailed() == []
    room.events[invitation.token] = {"public_key": "key"}
    after(seconds=11)
    assert mailed() == []
    after(seconds=1)
    assert mailed() == ["invite"]


def test_what_the_room_did_not_take_ends_and_who_invited_is_told(
    worker_services, hear, room, store, after, mailed, read, clock
):
    with worker_services.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=ZOE)
    hear()
    refused = [store(), store("lea@association.example")]
    for seconds in (3, 12, 44):
        after(seconds=seconds)
        assert read(refused[0])[:2] == ("queued", "report")
    after(seconds=1)
    assert [read(each) for each in refused] == [("revoked", "report", "not_in_room")] * 2
    assert mailed() == []
    after(minutes=30)
    assert mailed(HERS) == ["not_invited", "not_invited"]


def test_nobody_registers_by_what_no_room_took(
    worker_services, hear, room, store, took, rules, clock
):
    hear()
    invitation = store()
    address = EmailAddress.parse(GIL)

    def may_register():
        with worker_services.database.reading() as session:
            return invitations.may_register(session, rules, clock(), address)

    assert not may_register()
    took(invitation)
    assert may_register()


def test_while_the_module_is_silent_the_mail_is_held_and_seen_and_not_lost(
    worker_services, hear, told_room_actions, store, after, mailed, read, caplog, clock
):
    with worker_services.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=ZOE)
    hear()
    told_room_actions.stop()
    invitation = store()
    for _ in range(int(LATE.total_seconds() // 60) - 1):
        after(minutes=1)
    assert f"the mail of invitation {invitation.id} is held" not in caplog.text
    after(minutes=6)
    assert f"the mail of invitation {invitation.id} is held" in caplog.text
    with worker_services.database.reading() as session:
        entry = outbox.find_by_subject(session, invitation.id, JobKind.ROOM_TOOK)
        assert entry.done_at is None
        assert entry.last_error
        assert invitation_search.count_held(session, clock() - LATE) == 1
    for _ in range(22):
        after(hours=1)
    assert read(invitation)[:2] == ("queued", "report")
    after(hours=2)
    after(minutes=30)
    assert read(invitation) == ("revoked", "report", "not_in_room")
    assert (mailed(), mailed(HERS)) == ([], ["not_invited"])


def test_a_module_that_is_not_heard_is_not_asked_for_each_and_once_it_is_back_it_tells(
    hear, room, told_room_actions, store, after, mailed
):
    """One dead homeserver must not keep the lane from sending other mails."""
    hear()
    invitation = store()
    after(minutes=3)
    asked = told_room_actions.asked
    after(seconds=30)
    after(minutes=2)
    assert told_room_actions.asked == asked
    room.events[invitation.token] = {"public_key": "key"}
    hear()
    after(seconds=30)
    assert mailed() == ["invite"]


def test_a_report_after_a_long_silence_lets_the_mail_leave(
    hear, told_room_actions, store, took, after, mailed
):
    hear()
    told_room_actions.stop()
    invitation = store()
    after(hours=5)
    took(invitation)
    after(seconds=0)
    assert mailed() == ["invite"]


def test_what_a_room_took_after_all_when_it_had_ended_leaves_the_room(
    hear, room, store, took, after, mailed
):
    hear()
    invitation = store()
    for seconds in (3, 12, 45):
        after(seconds=seconds)
    room.events[invitation.token] = {"public_key": "key"}
    assert took(invitation) == "ignored"
    after(seconds=0)
    assert room.events[invitation.token] == {}
    assert mailed() == []
