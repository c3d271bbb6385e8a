"""No mail of an invitation leaves before its room took it, and none is lost without a word."""

import uuid
from dataclasses import replace

import pytest

from domain_rules.addresses import EmailAddress
from domain_rules.desk_answers import credential_hash
from identity.gateways.desk import Desk
from identity.gateways.http_client import Away
from identity.storage import (
    invitation_events,
    invitation_search,
    mails,
    outbox,
    third_party_invitations,
)
from identity.storage.outbox import Errand, Lane
from identity.use_cases import (
    binding,
    homeserver_modules,
    invitations,
    module_reports,
    store_invite,
)
from identity.use_cases.room_agreement import LATE
from identity.use_cases.store_invite import EphemeralKey, Invited
from tests.services.told_desk import ToldRoom
from workers import tasks

EDUCATION = "education.example"
ZOE = f"@zoe:{EDUCATION}"
HERS = "zoe@ac-rouen.example"
GIL = "gil@association.example"
ROOM = "!room:education.example"


@pytest.fixture
def wired(wired, clock, told_desk):
    known_by = [credential_hash(told_desk.credential)]

    def desk_for(homeserver):
        return Desk(homeserver.name, told_desk.url, dict, clock, lambda _name: known_by)

    return replace(wired, desk_for=desk_for, connector_for=lambda _homeserver: None)


@pytest.fixture
def room(told_desk) -> ToldRoom:
    told_desk.rooms[ROOM] = ToldRoom(members={ZOE})
    return told_desk.rooms[ROOM]


@pytest.fixture
def hear(wired, clock):
    """The module of Zoé's homeserver asks for the rules."""

    def hear(reports="third_party_invited", actions="membership,revoke"):
        declared = homeserver_modules.read("2", reports, actions)
        with wired.database.transaction() as session:
            homeserver_modules.hear(session, clock(), EDUCATION, declared)

    return hear


@pytest.fixture
def store(wired, rules, clock):
    """A homeserver asks us to keep an invitation."""

    def store(typed=GIL, room_id=ROOM):
        invited = Invited(typed, EmailAddress.parse(typed), room_id, ZOE)
        key = EphemeralKey(f"public {uuid.uuid4()}", "sealed")
        with wired.database.transaction() as session:
            return store_invite.store(
                session, rules, clock(), invited=invited, key=key, signing_key_id="ed25519:0"
            )

    return store


@pytest.fixture
def report(wired, rules, clock):
    def report(kind, **facts):
        with wired.database.transaction() as session:
            return module_reports.take(
                session,
                rules,
                clock(),
                policy="rule",
                homeserver=EDUCATION,
                report_id=uuid.uuid4(),
                said={"kind": kind, "at": 1, **facts},
            ).result

    return report


@pytest.fixture
def took(report):
    """The module reports that the room took it."""

    def took(invitation):
        return report(
            "third_party_invited", room_id=ROOM, token=invitation.token, sender=invitation.sender
        )

    return took


@pytest.fixture
def after(wired, clock):
    """So long after the last time, all that is due."""

    def after(**time):
        clock.advance(**time)
        tasks.run(wired, Lane.NORMAL)

    return after


@pytest.fixture
def mailed(wired):
    """Templates of the mails that left to an address, oldest first."""

    def mailed(address=GIL):
        with wired.database.reading() as session:
            found = mails.to_address(session, address)
            return [mail.template for mail in reversed(found) if mail.state == "handed"]

    return mailed


@pytest.fixture
def read(wired):
    """State, what it waits for, and what happened last."""

    def read(invitation):
        with wired.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            history = invitation_events.of_invitation(session, row.id)
            return row.state, row.awaits, history[-1].happened

    return read


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
    wired, hear, room, store, after, mailed, read, clock
):
    with wired.database.transaction() as session:
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


def test_nobody_registers_by_what_no_room_took(wired, hear, room, store, took, rules, clock):
    hear()
    invitation = store()
    address = EmailAddress.parse(GIL)

    def may_register():
        with wired.database.reading() as session:
            return invitations.may_register(session, rules, clock(), address)

    assert not may_register()
    took(invitation)
    assert may_register()


def test_while_the_module_is_silent_the_mail_is_held_and_seen_and_not_lost(
    wired, hear, told_desk, store, after, mailed, read, caplog, clock
):
    with wired.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=ZOE)
    hear()
    told_desk.stop()
    invitation = store()
    for _ in range(int(LATE.total_seconds() // 60)):
        after(minutes=1)
    assert f"the mail of invitation {invitation.id} is held" not in caplog.text
    after(minutes=6)
    assert f"the mail of invitation {invitation.id} is held" in caplog.text
    with wired.database.reading() as session:
        entry = outbox.of_subject(session, invitation.id, Errand.ROOM_TOOK)
        assert entry.done_at is None
        assert entry.last_error
        assert invitation_search.held(session, clock() - LATE) == 1
    for _ in range(22):
        after(hours=1)
    assert read(invitation)[:2] == ("queued", "report")
    after(hours=2)
    after(minutes=30)
    assert read(invitation) == ("revoked", "report", "not_in_room")
    assert (mailed(), mailed(HERS)) == ([], ["not_invited"])


def test_a_report_after_a_long_silence_lets_the_mail_leave(
    hear, told_desk, store, took, after, mailed
):
    hear()
    told_desk.stop()
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


@pytest.mark.parametrize("answer", [True, Away("no answer")])
def test_the_administration_is_asked_where_there_is_no_module_and_its_silence_stops_nothing(
    wired, store, mailed, clock, answer
):
    store()
    clock.advance(seconds=3)
    tasks.run(replace(wired, connector_for=lambda _h: Administration(answer)), Lane.NORMAL)
    assert mailed() == ["invite"]


def test_what_the_administration_does_not_see_in_the_room_is_not_mailed(
    wired, store, mailed, read, clock
):
    invitation = store()
    for seconds in (3, 12, 45):
        clock.advance(seconds=seconds)
        tasks.run(replace(wired, connector_for=lambda _h: Administration(False)), Lane.NORMAL)
    assert read(invitation)[2] == "not_in_room"
    assert mailed() == []


class Administration:
    """A homeserver's, by value."""

    def __init__(self, answer):
        self.answer = answer

    def holds_invitation(self, _room_id, _token):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_who_asks_again_and_is_out_of_the_room_by_then_mails_nobody(
    hear, room, store, took, after, mailed, read
):
    hear()
    invitation = store()
    took(invitation)
    room.events[invitation.token] = {"public_key": "key"}
    after(seconds=3)
    room.members.clear()
    after(hours=73)
    hear()
    assert store().id == invitation.id
    for seconds in (3, 12, 45):
        after(seconds=seconds)
    assert mailed() == ["invite"]
    assert read(invitation)[1:] == (None, "not_in_room")
    room.members.add(ZOE)
    hear()
    store()
    after(seconds=3)
    assert mailed() == ["invite", "invite"]


def test_of_a_worker_that_died_meanwhile_nothing_is_missing(
    wired, hear, room, store, after, mailed, clock
):
    """It had asked, and wrote nothing down: whoever takes the errand up asks again."""
    hear()
    invitation = store()
    room.events[invitation.token] = {"public_key": "key"}
    clock.advance(seconds=3)
    with wired.database.transaction() as session:
        assert outbox.lease_next(session, clock(), Lane.NORMAL).errand == Errand.ROOM_TOOK
    after(seconds=1)
    assert mailed() == []
    after(seconds=60)
    assert mailed() == ["invite"]


def test_another_spelling_of_a_bound_address_is_delivered_once_the_room_took_it(
    wired, hear, room, store, took, after, read, clock, told_homeserver
):
    with wired.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=f"@camille:{EDUCATION}")
    hear()
    invitation = store(HERS.upper())
    after(seconds=3)
    assert told_homeserver.told == []
    took(invitation)
    after(seconds=0)
    assert any("onbind" in method for method in told_homeserver.methods)
    assert read(invitation) == ("delivered", None, "delivered")
