"""A backup was loaded and it was noticed; before the operator comes, rooms report and people invite."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from domain_rules.addresses import EmailAddress
from identity.core.continuity import LastSeen
from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.invitations import history as invitation_events, service as invitations
from identity.operators import notices
from identity.operators.roles import Role
from identity.registration import service as registration
from identity.sign_up.models import State as RequestState, VerificationRequest
from tests.services.told_room_actions import ToldRoom
from tests.worlds.backups import *
from tests.worlds.operators import *
from tests.worlds.worker import *
from tests.worlds.worker_rooms import *

LEA = "lea@association.example"
INVITE = ("invite", GIL)


@pytest.fixture
def backups(worker_services) -> Backups:
    return Backups(worker_services)


@pytest.fixture
def sent(postbox):
    """Template and recipient of every mail that left."""

    def sent() -> list[tuple[str, str]]:
        return [(each["X-Guichet-Template"].partition(";")[0], each["To"]) for each in postbox.sent]

    return sent


@pytest.fixture
def hold(backups, clock, hear):
    """The backup is loaded, a worker notices, and a moment goes by."""

    def hold():
        backups.load()
        backups.work()
        assert backups.is_held()
        hear()
        clock.advance(seconds=2)

    return hold


@pytest.fixture
def resume(backups, clock, hear):
    """Hours of work after the operator has let jobs go."""

    def resume():
        backups.resume()
        for _ in range(4):
            clock.advance(minutes=20)
            hear()
            backups.work()

    return resume


@pytest.fixture
def mailed_before(hear, store, backups, room, after, clock, hold):
    """The backup has an invitation that waits for its room; its mail left afterwards. It is held."""
    hear()
    invitation = store()
    backups.take()
    room.events[invitation.token] = {"public_key": "x"}
    after(seconds=3)
    after(seconds=5)
    clock.advance(hours=12)
    hold()
    return invitation


@pytest.fixture
def invite(store, report, room, told_room_actions):
    """Somebody is invited, and the room is reported to have taken it."""

    def invite(address=GIL, room_id=ROOM):
        made = store(address, room_id)
        there = told_room_actions.rooms.setdefault(room_id, ToldRoom(members={ZOE}))
        there.events[made.token] = {"public_key": "x"}
        facts = {"room_id": room_id, "token": made.token, "sender": ZOE}
        assert report("third_party_invited", **facts) == "ok"
        return made

    return invite


@pytest.fixture
def history(worker_services):
    def history(invitation) -> list[str]:
        with worker_services.database.reading() as session:
            found = invitation_events.find_events(session, invitation.id)
            return [f"{each.happened} {each.by}" for each in found]

    return history


class TestOneThatWasMailedAfterTheBackup:
    def test_it_is_not_mailed_again_when_its_room_is_reported(
        self, mailed_before, took, backups, resume, sent
    ):
        took(mailed_before)
        assert backups.begin().invitations == 1
        assert "mail" not in backups.plan()
        resume()
        assert sent() == [INVITE]

    def test_nor_when_it_is_asked_for_again_as_well(
        self, mailed_before, store, took, backups, resume, sent
    ):
        assert store().id == mailed_before.id
        took(mailed_before)
        backups.begin()
        resume()
        assert sent() == [INVITE]

    def test_nor_though_waiting_mails_are_kept(self, mailed_before, took, backups, resume, sent):
        took(mailed_before)
        backups.begin(keeps_mails=True)
        resume()
        assert sent() == [INVITE]

    def test_nor_is_a_repeated_one_that_is_asked_for_once_more(
        self, hear, store, invite, backups, after, clock, hold, resume, sent
    ):
        """It was mailed days ago; it waits in the backup for its room, for the second time."""
        hear()
        invite()
        after(seconds=5)
        clock.advance(days=4)
        hear()
        store()
        backups.take()
        invite()
        after(seconds=5)
        assert sent() == [INVITE] * 2
        clock.advance(hours=12)
        hold()
        invite()
        backups.begin()
        resume()
        assert sent() == [INVITE] * 2

    def test_mails_that_are_kept_are_not_called_sent(
        self, hear, invite, history, backups, hold, resume, sent
    ):
        hear()
        invitation = invite()
        backups.take()
        hold()
        assert backups.begin(keeps_mails=True).invitations == 0
        resume()
        assert sent() == [INVITE]
        assert "sent restore" not in history(invitation)

    def test_its_owner_may_register_meanwhile(
        self, mailed_before, took, worker_services, rules, clock
    ):
        took(mailed_before)
        with worker_services.database.reading() as session:
            assert invitations.is_invited(session, rules, clock(), EmailAddress.parse(GIL))


class TestOneThatWasNotMailed:
    def test_it_is_when_the_database_is_called_good_though_no_module_can_be_asked(
        self, hear, store, took, backups, hold, clock, sent, told_room_actions
    ):
        hear()
        invitation = store()
        told_room_actions.answer = lambda *_: (404, {"errcode": "M_UNRECOGNIZED", "error": "no"})
        backups.take()
        hold()
        assert took(invitation) == "ok"
        backups.dismiss()
        clock.advance(minutes=5)
        hear()
        backups.work()
        assert sent() == [INVITE]

    def test_it_is_if_it_was_asked_for_meanwhile(self, hear, invite, backups, hold, resume, sent):
        hear()
        backups.take()
        hold()
        invite(LEA)
        assert backups.begin().invitations == 0
        resume()
        assert sent() == [("invite", LEA)]

    def test_it_is_also_if_it_joined_a_mail_of_the_backup(
        self, hear, invite, history, backups, after, hold, resume, sent
    ):
        """The first mail of the mailbox has left, the second waits half an hour, the third joins it."""
        hear()
        invite()
        after(seconds=5)
        second = invite(room_id="!two:education.example")
        backups.take()
        hold()
        third = invite(room_id="!three:education.example")
        assert backups.begin().mails == 1
        resume()
        assert sent() == [INVITE] * 2
        assert history(second)[-1] == "sent restore"
        assert history(third)[-1] == "sent worker"

    def test_nor_does_another_address_of_the_mailbox_get_its_link(
        self, worker_services, hear, invite, backups, after, hold, resume, postbox
    ):
        """Its invitation waits in a mail to the other one."""
        one, other = "gil+a@association.example", "gil+b@association.example"
        hear()
        invite(one)
        after(seconds=5)
        invite(one, "!two:education.example")
        backups.take()
        hold()
        made = invite(other, "!three:education.example")
        backups.begin()
        resume()
        link = f"/i/{worker_services.tokens.link(made.id, 'invitation')}"
        told = [each["To"] for each in postbox.sent if link in str(each.get_body(("plain",)))]
        assert told == [other]

    def test_a_reminder_that_falls_due_meanwhile_is_sent(
        self, worker_services, hear, store, took, backups, after, hold, clock, resume, sent
    ):
        hear()
        took(store())
        after(seconds=5)
        clock.advance(days=6, hours=20)
        backups.take()
        hold()
        clock.advance(hours=10)
        assert backups.begin().reminders == 0
        backups.resume()
        tasks._keep_invitations(worker_services)
        backups.work()
        assert sent() == [INVITE, ("reminder", GIL)]


class TestABackupThatWasMadeWhileJobsWereHeld:
    @pytest.fixture
    def loaded_again(self, mailed_before, invite, backups, clock, resume, sent):
        """The dump of that night; what was held leaves; then the dump is loaded, with no worker."""
        invite(LEA)
        clock.advance(hours=1)
        backups.take()
        backups.begin()
        resume()
        assert sent() == [INVITE, ("invite", LEA)]
        clock.advance(hours=6)
        backups.load()

    def test_what_left_after_it_does_not_leave_again(self, loaded_again, backups, resume, sent):
        assert backups.begin().mails == 1
        resume()
        assert sent() == [INVITE, ("invite", LEA)]

    def test_nor_where_nobody_remembers_the_database(
        self, loaded_again, worker_services, backups, resume, sent
    ):
        with worker_services.database.transaction() as session:
            begun = restoring.begin(session, worker_services.now(), OLGA, last_seen=LastSeen())
        assert begun.mails == 1
        resume()
        assert sent() == [INVITE, ("invite", LEA)]


def test_who_was_told_that_their_homeserver_is_back_is_not_told_again_after_a_freeze(
    worker_services, request_, backups, clock, hold, resume, sent
):
    """The backup has a freeze, which ends by itself while all is held."""
    services = worker_services
    with services.database.transaction() as session:
        confirmed = {"state": RequestState.CONFIRMED, "confirmed_at": clock()}
        session.execute(update(VerificationRequest).values(**confirmed))
        registration.wait_for_homeserver(session, clock(), request_, homeserver="education.example")
        until = clock() + timedelta(hours=2)
        freezes.freeze(session, clock(), OLGA, Frozen.SIGN_UPS, until=until)
    backups.work(Lane.BULK)
    backups.take()
    with services.database.transaction() as session:
        freezes.thaw(session, clock(), OLGA, Frozen.SIGN_UPS)
    for _ in range(2):
        clock.advance(minutes=1)
        backups.work()
    told = [each for each in sent() if each[0] == "server_ready"]
    assert len(told) == 1
    hold()
    clock.advance(hours=3)
    backups.work()
    assert backups.begin().probes == 1
    resume()
    assert [each for each in sent() if each[0] == "server_ready"] == told


def test_operators_get_their_mails_meanwhile_and_nobody_else_does(
    backups, clock, hear, hold, store, sent, make_operator, worker_services
):
    ada = make_operator("Ada", Role.ADMIN)
    who = Actor("Olga", "shell", "ticket 7")

    def tell():
        with worker_services.database.transaction() as session:
            notices.tell_of_stop(session, clock(), who, "mails", ends_at=None)

    hear()
    tell()  # the backup has this one, and it left before
    backups.take()
    hold()
    tell()
    store()
    clock.advance(hours=1)
    backups.work()
    assert sent() == [("operator_notice", ada.mail)]
