"""Mails cannot be aimed: whoever causes them, and however, a mailbox gets a few, through the real worker and timetable."""

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from identity.core.outbox import Lane
from identity.invitations import muting, opting_out, service as invitations
from identity.invitations.jobs import timetable as invitation_timetable
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.quota import INVITING
from identity.problems import TooManyInvitations
from tests.worlds.inviting import ADA, GIL, ROOM, ZOE, Inviting
from tests.worlds.worker import *
from workers import tasks

DAY, HALF_AN_HOUR = timedelta(days=1), timedelta(minutes=30)
VICTIM = "victim@association.example"


@pytest.fixture
def inviting(services, rules, clock) -> Inviting:
    return Inviting(services.database, rules, clock)


class Service:
    """The worker and the timetable, as time goes by."""

    def __init__(self, services, clock, postbox):
        self.services, self.clock, self.postbox = services, clock, postbox

    def work(self):
        for lane in Lane:
            tasks.run_lane(self.services, lane)

    def go_on(self, until: datetime, step=HALF_AN_HOUR):
        """Every half an hour the timetable comes by; between, lanes wake for what is due."""
        while self.clock() < until:
            self.work()
            invitation_timetable.run_due_tasks(self.services)
            next_due = [each for lane in Lane if (each := tasks.run_lane(self.services, lane))]
            self.clock.time = min([*next_due, self.clock() + step])

    def left(self):
        """When mails left, and which."""
        with self.services.database.reading() as session:
            found = mails.find_recent(session, state=MailState.HANDED, limit=10_000)
            return sorted((mail.handed_at, mail.template, mail.mailbox) for mail in found)


@pytest.fixture
def service(services, clock, postbox) -> Service:
    return Service(services, clock, postbox)


def the_most_in(times, window) -> int:
    """How many of these times lie within one span, at most."""
    return max(
        (sum(first <= each < first + window for each in times) for first in times), default=0
    )


def assert_few(left):
    """What any mailbox may get of invitations, at most."""
    for mailbox in {mailbox for _, _, mailbox in left}:
        mine = [(at, template) for at, template, whose in left if whose == mailbox]
        assert the_most_in([at for at, _ in mine], HALF_AN_HOUR) <= 1
        assert the_most_in([at for at, template in mine if template == "invite"], DAY) <= 3
        assert the_most_in([at for at, template in mine if template != "invite"], DAY) <= 1


def test_two_agents_and_fifty_rooms_each_are_told_of_in_a_few_mails(service, inviting, clock):
    start = clock()
    for number in range(50):
        for sender in (ZOE, ADA):
            inviting.store(VICTIM, room_id=f"!{number}{sender}", sender=sender)
        clock.advance(seconds=20)
        if number % 10 == 0:
            service.work()
    service.go_on(start + timedelta(days=32), step=timedelta(hours=12))
    left = service.left()
    assert_few(left)
    assert Counter(template for _, template, _ in left) == {"invite": 2, "reminder": 1}
    with service.services.database.reading() as session:
        assert not mails.find_recent(session, state=MailState.WAITING)


def test_three_rooms_in_one_second_give_one_mail_that_counts_them_and_names_who_invites(
    service, inviting, clock, postbox
):
    for number, sender in enumerate((ZOE, ZOE, ADA)):
        inviting.store(VICTIM, room_id=f"!{number}:x", sender=sender, facts={"room_name": "Appui"})
        service.work()
        clock.advance(milliseconds=400)
    service.go_on(clock() + timedelta(minutes=1))
    [mail] = postbox.sent
    said = mail.get_body(("plain",)).get_content()
    assert "3\u00a0invitations" in mail["Subject"]
    assert ZOE in said
    assert ADA in said
    assert "Appui" not in said, "rooms have no names before the mailbox is proved"


def test_tags_make_no_further_mailbox(service, inviting, clock):
    start = clock()
    for number in range(30):
        inviting.store(f"victim+{number}@association.example", sender=(ZOE, ADA)[number % 2])
        clock.advance(minutes=1)
    service.go_on(start + timedelta(days=9), step=timedelta(hours=6))
    left = service.left()
    assert_few(left)
    assert {mailbox for _, _, mailbox in left} == {VICTIM}
    assert sum(at < start + timedelta(hours=1) for at, _, _ in left) <= 2


def test_what_waited_for_the_relay_leaves_one_by_one(service, inviting, clock, postbox):
    postbox.failure = NotSent(Outcome.DEFER, "451 4.3.2 later")
    for number in range(12):
        inviting.store(f"victim+{number}@association.example", sender=(ZOE, ADA)[number % 2])
    clock.advance(days=2)
    postbox.failure = None
    service.go_on(clock() + timedelta(days=3), step=timedelta(hours=6))
    left = service.left()
    assert left
    assert_few(left)


def test_sending_again_and_again_tells_no_more_often(service, inviting, clock):
    start = clock()
    rows = [inviting.store(VICTIM, room_id=f"!{number}:x") for number in range(6)]
    for _ in range(12):
        clock.advance(hours=1)
        for row in rows:
            with suppress(TooManyInvitations):
                inviting.act(invitations.resend, row, by=ZOE)
        service.go_on(clock() + timedelta(minutes=1))
    service.go_on(start + timedelta(days=4), step=timedelta(hours=6))
    assert_few(service.left())


def test_who_is_not_known_is_muted_in_every_room_by_mail_and_told_as_others_are(
    service, inviting, clock, services, postbox
):
    inviting.store(VICTIM)
    service.go_on(clock() + timedelta(minutes=1))
    with services.database.transaction() as session:
        muting.mute(session, services.hashes, clock(), address=VICTIM, sender=ZOE)
        opting_out.opt_out(session, services.hashes, clock(), "lea@association.example")
    del postbox.sent[:]
    rows = [
        inviting.store(address, room_id=room)
        for address in (VICTIM, "victim+again@association.example", "lea@association.example")
        for room in (ROOM, "!another:x")
    ]
    fresh = [row for row in rows if row.created_at == clock()]
    service.go_on(clock() + timedelta(hours=23))
    assert {inviting.where(row) for row in fresh} == {"queued"}
    service.go_on(clock() + timedelta(days=3), step=timedelta(hours=6))
    assert postbox.sent == []
    assert {inviting.where(row) for row in fresh} == {"refused"}
    with services.database.reading() as session:
        told = {tuple(inviting.history(row)) for row in fresh}
    assert len(told) == 1, "the muted sender sees what who writes to an opted-out address sees"


def test_others_are_mailed_though_one_is_muted(service, inviting, clock, services, postbox):
    with services.database.transaction() as session:
        muting.mute(session, services.hashes, clock(), address=GIL, sender=ZOE)
    for number in range(20):
        inviting.store(GIL, room_id=f"!{number}:x")
        clock.advance(minutes=5)
        service.work()
    inviting.store(GIL, sender=ADA)
    service.go_on(clock() + timedelta(minutes=31))
    [mail] = postbox.sent
    assert ADA in mail.get_body(("plain",)).get_content()
    assert ZOE not in mail.as_string()


def test_a_mute_can_be_taken_back_for_a_week_and_outlives_the_invitation(
    service, inviting, clock, services
):
    who = {"address": GIL, "sender": ZOE}
    with services.database.transaction() as session:
        muting.mute(session, services.hashes, clock(), **who)
        assert muting.undo(session, services.hashes, clock(), **who)
        assert not muting.is_muted(session, services.hashes, **who)
        muting.mute(session, services.hashes, clock(), **who)
        clock.advance(days=7)
        assert not muting.undo(session, services.hashes, clock(), **who)
        clock.advance(days=400)
        assert muting.is_muted(session, services.hashes, **who)
        assert not muting.is_muted(session, services.hashes, address=GIL, sender=ADA)
        assert GIL not in str(session.execute(text("select * from mutes")).all())
        assert muting.forget(session, services.hashes, "gil+x@association.example") == 1
        assert not muting.is_muted(session, services.hashes, **who)


def test_every_inviting_template_is_watched_here():
    assert set(INVITING) == {"invite", "invite_digest", "reminder"}
