"""Each kind of work that went out after the backup was made does not go out once more."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.binding import service as binding
from identity.core.outbox import Job, JobKind
from identity.invitations import (
    history as invitation_events,
    lost as lost_invitations,
    service as invitations,
)
from identity.invitations.models import ThirdPartyInvitation
from identity.mail.models import Mail
from identity.registration import service as registration
from tests.worlds.backups import *
from tests.worlds.worker import *
from tests.worlds.worker_rooms import *

AGENT = "@camille:education.example"
BACKUP_AGE = timedelta(hours=12)


@pytest.fixture
def backups(worker_services) -> Backups:
    return Backups(worker_services)


@pytest.fixture
def restore(backups, clock, hear):
    def restore():
        ended = backups.bring_back(clock)
        for _ in range(2):
            clock.advance(minutes=5)
            hear()
            backups.work()
        return ended

    return restore


@pytest.fixture
def sent(postbox):
    """Template and recipient of every mail that left."""

    def sent() -> list[tuple[str, str]]:
        return [(each["X-Guichet-Template"].partition(";")[0], each["To"]) for each in postbox.sent]

    return sent


def jobs(services, kind) -> list[Job]:
    with services.database.reading() as session:
        return list(session.scalars(select(Job).where(Job.kind == kind)))


def history(services, invitation) -> list[str]:
    with services.database.reading() as session:
        found = invitation_events.find_events(session, invitation.id)
        return [f"{each.happened} {each.by}" for each in found]


class TestInvitationsAndTheirMails:
    def test_one_that_waited_for_its_room_is_mailed_once_and_known_to_be_there(
        self, hear, store, room, backups, restore, after, mailed, read, sent
    ):
        hear()
        invitation = store()
        backups.take()
        room.events[invitation.token] = {"public_key": "x"}
        after(seconds=3)
        after(seconds=5)
        assert mailed() == ["invite"]
        before = sent()
        hear()
        assert restore().invitations == 1
        assert sent() == before
        assert read(invitation)[:2] == ("sent", None)

    def test_of_one_that_the_room_refused_the_inviter_is_not_told_again_and_it_admits_nobody(
        self, worker_services, hear, store, room, backups, restore, clock, read, sent, rules, bound
    ):
        hear()
        invitation = store()
        backups.take()
        before = sent()
        restore()
        with worker_services.database.reading() as session:
            assert not invitations.is_invited(session, rules, clock(), EmailAddress.parse(GIL))
        assert sent() == before
        assert read(invitation)[::2] == ("revoked", "not_in_room")

    def test_one_whose_mail_waited_is_not_mailed_again_and_reminded_a_week_later(
        self, worker_services, hear, store, took, room, backups, restore, after, clock, sent
    ):
        hear()
        invitation = store()
        took(invitation)
        backups.take()
        after(seconds=5)
        assert sent() == [("invite", GIL)]
        restore()
        assert sent() == [("invite", GIL)]
        assert history(worker_services, invitation)[-1] == "sent restore"
        clock.advance(days=8)
        tasks._keep_invitations(worker_services)
        backups.work()
        assert sent()[1:] == [("reminder", GIL)]

    def test_a_reminder_that_left_does_not_leave_again(
        self, worker_services, hear, store, took, room, backups, restore, after, clock, sent
    ):
        hear()
        took(store())
        after(seconds=5)
        clock.advance(days=8)
        backups.take()
        tasks._keep_invitations(worker_services)
        backups.work()
        assert sent() == [("invite", GIL), ("reminder", GIL)]
        assert restore().reminders == 1
        tasks._keep_invitations(worker_services)
        backups.work()
        assert sent() == [("invite", GIL), ("reminder", GIL)]

    def test_while_jobs_are_held_the_timetable_orders_no_reminder(
        self, worker_services, hear, store, took, room, backups, after, clock
    ):
        hear()
        took(store())
        after(seconds=5)
        clock.advance(days=8)
        backups.take()
        backups.load()
        tasks._keep_invitations(worker_services)
        assert backups.is_held()
        with worker_services.database.reading() as session:
            assert session.scalars(select(Mail.template)).all() == ["invite"]

    def test_what_a_mail_carried_for_other_addresses_of_a_mailbox_is_as_uncertain(
        self, worker_services, hear, store, took, room, backups, after, clock
    ):
        hear()
        rows = [
            store(f"gil+{tag}@association.example", f"!{tag}:education.example") for tag in "ab"
        ]
        with worker_services.database.transaction() as session:
            for each in rows:
                row = session.get_one(ThirdPartyInvitation, each.id)
                row.awaits = None
                invitations.order_mail(session, clock(), row, by=row.sender)
        with worker_services.database.reading() as session:
            assert (
                len({session.get_one(ThirdPartyInvitation, each.id).mail_id for each in rows}) == 1
            )
        backups.take()
        backups.load()
        assert backups.begin().mails == 1
        assert [history(worker_services, each)[-1] for each in rows] == ["sent restore"] * 2


class TestInvitationsMadeAfterTheBackup:
    def stands(self, report, clock, token="lost", **facts):
        """What the module reports of an invitation that stands in the room."""
        told = {
            "room_id": ROOM,
            "sender": ZOE,
            "shown": "gil...@ass...\x00",
            "at": int(clock().timestamp() * 1000),
        }
        return report("third_party_invite_stands", token=token, **told | facts)

    def test_they_are_taken_out_of_their_rooms_and_listed(
        self, worker_services, backups, restore, report, room, clock
    ):
        backups.take()
        restore()
        room.events["lost"] = {"public_key": "x"}
        assert self.stands(report, clock) == "ok"
        assert self.stands(report, clock) == "ignored"
        assert backups.plan() == {"lost_invitation": 1}
        backups.work()
        assert room.events["lost"] == {}
        with worker_services.database.reading() as session:
            (found,) = lost_invitations.find_all(session, limit=9)
        assert (found.shown, found.emptied_at, found.why) == ("gil...@ass...", clock(), None)

    def test_without_a_restore_and_long_before_it_nothing_is_lost(
        self, backups, restore, report, clock
    ):
        assert self.stands(report, clock) == "ignored"
        backups.take()
        restore()
        assert self.stands(report, clock, at=1) == "ignored"
        assert backups.plan() == {}

    def test_a_known_one_is_released_if_it_waits_and_else_left_alone(
        self, hear, store, backups, report, clock, read, room, restore
    ):
        hear()
        invitation = store()
        backups.take()
        clock.advance(hours=1)
        backups.load()
        backups.begin()
        assert self.stands(report, clock, invitation.token) == "ok"
        assert read(invitation)[1] is None
        assert self.stands(report, clock, invitation.token) == "ignored"

    @pytest.mark.parametrize(
        "wrong",
        [{"at": -1}, {"at": 10**18}, {"at": "x"}, {"shown": 5}, {"sender": "@x:other.example"}],
    )
    def test_what_cannot_be_or_is_anothers_is_rejected(self, report, clock, wrong):
        assert self.stands(report, clock, **wrong) == "rejected"

    def test_where_the_homeserver_refuses_that_is_said(
        self, worker_services, backups, restore, report, clock, told_room_actions
    ):
        backups.take()
        restore()
        assert self.stands(report, clock) == "ok"
        told_room_actions.answer = lambda *_: (403, {"errcode": "M_FORBIDDEN", "error": "no"})
        backups.work()
        with worker_services.database.reading() as session:
            (found,) = lost_invitations.find_all(session, limit=9)
        assert found.emptied_at is None
        assert "refused" in found.why


@pytest.fixture
def bound(worker_services, clock):
    """Zoé has an address, by which she is told what the room refused."""
    with worker_services.database.transaction() as session:
        binding.record_verified(session, clock(), address=HERS, user_id=ZOE)


def test_an_inviter_whose_room_refuses_after_the_restore_is_told(
    worker_services, hear, store, room, backups, restore, clock, sent, bound
):
    backups.take()
    restore()
    clock.advance(minutes=1)
    hear()
    store()
    for _ in range(8):
        clock.advance(seconds=20)
        hear()
        backups.work()
    clock.advance(hours=1)
    backups.work()
    assert sent()[-1] == ("not_invited", HERS)


def test_a_revocation_is_repeated_without_harm(
    worker_services, hear, store, took, room, backups, restore, clock
):
    hear()
    invitation = store()
    took(invitation)
    room.events[invitation.token] = {"public_key": "x"}
    with worker_services.database.transaction() as session:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        assert invitations.revoke(session, clock(), row, by="olga")
    backups.take()
    backups.work()
    assert room.events[invitation.token] == {}
    restore()
    assert room.events[invitation.token] == {}


def test_nobody_is_told_again_that_their_homeserver_is_back(
    worker_services, request_, backups, restore, clock, sent
):
    with worker_services.database.transaction() as session:
        registration.wait_for_homeserver(session, clock(), request_, homeserver="education.example")
    backups.take()
    assert restore().probes == 1
    assert [each.gave_up_at is None for each in jobs(worker_services, JobKind.SERVER_PROBE)] == [
        False
    ]
    assert not [each for each in sent() if each[0].startswith("server_ready")]
