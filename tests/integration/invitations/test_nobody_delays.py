"""Whoever causes mails into a mailbox, and under however many tags, delays those of others by what the documents say.

Days go by on the clock, with the real worker and timetable; strangers do their worst all the time.
"""

import random
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import event

from domain_rules.addresses import EmailAddress
from identity.core.outbox import Lane
from identity.invitations import (
    history as invitation_events,
    models as third_party_invitations,
    muting,
    opting_out,
    service as invitations,
)
from identity.invitations.jobs import timetable as invitation_timetable
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails, suppressions
from identity.mail.models import MailState
from identity.mail.quota import INVITING
from identity.mail.suppressions import SuppressionReason
from identity.problems import InvitationsPaused, TooManyInvitations
from identity.sign_up import service as sign_up
from tests.worlds.inviting import ADA, ZOE, Inviting
from tests.worlds.worker import *
from workers import tasks

MINUTE, HALF_AN_HOUR, DAY = timedelta(minutes=1), timedelta(minutes=30), timedelta(days=1)
NAME, DOMAIN = "victim", "association.example"
VICTIM = f"{NAME}@{DOMAIN}"
# docs/behaviour.md, "How long others can delay a mail"
WORKING = (Lane.URGENT, Lane.NORMAL, Lane.BULK)
KEEPS = timedelta(hours=6)
OWN_ADDRESS = DAY + HALF_AN_HOUR
REMINDED = timedelta(days=3)


def a_turn(others: int) -> timedelta:
    """A tagged address, while so many other people invite the mailbox under other tags."""
    return (others + 1) * DAY / 2 + DAY


class Street:
    """A mailbox, who invites it, and the service as time goes by."""

    def __init__(self, services, rules, clock, postbox):
        self.services, self.clock, self.postbox = services, clock, postbox
        self.keeps_at = clock()
        self.inviting = Inviting(services.database, rules, clock, services.hashes)

    def invite(self, address=VICTIM, room="!room:x", sender=ADA):
        with suppress(TooManyInvitations, InvitationsPaused):
            return self.inviting.store(address, room_id=room, sender=sender)

    def go_on(self, for_time):
        """Lanes wake for what is due, and the timetable comes by, here a few times a day."""
        until = self.clock() + for_time
        while True:
            if self.clock() >= self.keeps_at:
                self.keeps_at = self.clock() + KEEPS
                invitation_timetable.run_due_tasks(self.services)
            due = [each for lane in WORKING if (each := tasks.run_lane(self.services, lane))]
            if self.clock() >= until:
                return
            self.clock.time = min([*due, self.keeps_at, until])

    def told(self, address=VICTIM, template=None):
        """When mails to exactly this address left, of one template or of all about invitations."""
        with self.services.database.reading() as session:
            found = mails.find_recent(session, state=MailState.HANDED, limit=10_000)
        wanted = (template,) if template else INVITING
        return sorted(
            mail.handed_at for mail in found if mail.address == address and mail.template in wanted
        )

    def waiting(self):
        with self.services.database.reading() as session:
            return [
                mail
                for mail in mails.find_recent(session, state=MailState.WAITING, limit=10_000)
                if mail.template in INVITING
            ]

    def wait_of(self, row):
        """How long it took until a mail told of an invitation."""
        with self.services.database.reading() as session:
            history = invitation_events.find_events(session, row.id)
        return min(each.at for each in history if each.happened == "sent") - row.created_at


@pytest.fixture
def street(services, rules, clock, postbox) -> Street:
    return Street(services, rules, clock, postbox)


def senders(number):
    return [f"@stranger{each}:education.example" for each in range(number)]


def tagged(number):
    return f"{NAME}+{number}@{DOMAIN}"


def test_forty_nine_tags_of_one_sender_are_one_mail_that_waits(street):
    for number in range(49):
        street.invite(tagged(number), sender=ZOE)
    assert len(street.waiting()) == 1
    street.go_on(timedelta(hours=1))
    assert len(street.waiting()) == 1
    row = street.invite()
    street.go_on(OWN_ADDRESS)
    assert street.wait_of(row) <= HALF_AN_HOUR


def test_each_address_is_told_in_the_end(street):
    for number in range(9):
        street.invite(tagged(number), sender=ZOE)
    street.go_on(timedelta(days=3))
    assert all(len(street.told(tagged(number))) == 1 for number in range(9))


@pytest.mark.parametrize("no_more", ["muted", "opted out"])
def test_for_who_is_not_wanted_nothing_is_ordered_and_they_see_what_others_see(
    street, services, clock, no_more
):
    with services.database.transaction() as session:
        if no_more == "muted":
            muting.mute(session, services.hashes, clock(), address=VICTIM, sender=ZOE)
        else:
            opting_out.opt_out(session, services.hashes, clock(), VICTIM)
    unwanted = [street.invite(tagged(number), sender=ZOE) for number in range(49)]
    with services.database.reading() as session:
        assert mails.find_recent(session) == []
    waits = street.invite(f"other@{DOMAIN}")
    for row in unwanted:
        assert street.inviting.seen(row) == street.inviting.seen(waits)
    row = street.invite(sender=ADA)
    street.go_on(MINUTE)
    if no_more == "muted":
        assert street.wait_of(row) == GATHERING_TIME
    street.go_on(2 * DAY)
    assert {street.inviting.where(row) for row in unwanted} == {"refused"}


@pytest.mark.parametrize("seed", range(2))
def test_strangers_with_tags_rooms_and_days_delay_nobody_for_longer_than_is_written(street, seed):
    chance = random.Random(seed)
    number = chance.choice([1, 3, 6])
    strangers = senders(number)
    friend = f"{NAME}+work@{DOMAIN}"
    own, theirs = [], []
    for day in range(5):
        for each in strangers:
            for count in range(4):
                where = chance.choice([VICTIM, tagged(f"{day}{each[9]}{count}")])
                street.invite(where, f"!{day}{count}{each}", each)
        street.go_on(timedelta(hours=chance.randint(1, 12)))
        own.append(street.invite(VICTIM, f"!own{day}:x", ADA))
        theirs.append(street.invite(friend, f"!work{day}:x", "@bea:education.example"))
        assert len(street.waiting()) <= number + 2
        street.go_on(DAY / 2)
    street.go_on(a_turn(number))
    assert max(map(street.wait_of, own)) <= OWN_ADDRESS
    assert max(map(street.wait_of, theirs)) <= a_turn(number)


def test_a_reminder_comes_though_strangers_never_stop(street):
    row = street.invite()
    street.go_on(timedelta(days=7) - MINUTE)
    start = street.clock()
    for day in range(4):
        for each in senders(2):
            for count in range(3):
                street.invite(tagged(f"{day}{each[9]}{count}"), f"!{day}{count}{each}", each)
        street.go_on(DAY)
    read = street.inviting.read(row)
    assert read.reminded_at
    assert any(start < at <= start + REMINDED for at in street.told())


def test_the_address_without_a_tag_does_not_wait_with_its_senders_tags(street, clock):
    """Who invites it has invited a tag of it before, which waits behind many strangers."""
    bea = "@bea:education.example"
    reminded = street.invite(VICTIM, "!before:x", bea)
    street.go_on(timedelta(days=6, hours=20))
    for count in range(3):
        for each in range(12):
            sender = f"@stranger{each}:education.example"
            street.invite(tagged(f"{count}.{each}"), f"!{count}{each}:x", sender)
        street.go_on(timedelta(hours=1))
    street.invite(f"{NAME}+work@{DOMAIN}", "!work:x", bea)
    street.go_on(timedelta(hours=1))
    reminded_from = clock()
    street.go_on(timedelta(hours=6))
    row = street.invite(VICTIM, "!own:x", bea)
    street.go_on(REMINDED)
    assert street.wait_of(row) <= OWN_ADDRESS
    assert street.inviting.read(reminded).reminded_at <= reminded_from + KEEPS


def test_a_thousand_that_wait_are_no_more_work_when_a_mail_leaves_than_fifty(
    street, services, clock
):
    statements = []

    @event.listens_for(services.database.engine, "before_cursor_execute")
    def count(*call):
        statements.append(call[2])

    taken = []
    for day, number in enumerate((50, 1000)):
        first = street.invite(f"box{day}+first@{DOMAIN}", sender=senders(2)[day])
        with services.database.transaction() as session:
            mail_id = session.get_one(ThirdPartyInvitation, first.id).mail_id
            session.add_all(_like(first, f"{day}+{each}", mail_id) for each in range(number))
        statements.clear()
        clock.advance(minutes=1)
        tasks.run_lane(services, Lane.NORMAL)
        taken.append(len(statements))
        with services.database.reading() as session:
            assert len(third_party_invitations.find_by_mail(session, mail_id)) == 1
    assert taken[1] < taken[0] * 1.5


def _like(first, tag, mail_id):
    facts = {
        name: getattr(first, name)
        for name in ("room_id", "sender", "sealed_key", "signing_key_id", "facts", "for_guest")
    }
    times = {name: getattr(first, name) for name in ("created_at", "asked_at", "expires_at")}
    return ThirdPartyInvitation(
        address=f"box{tag}@{DOMAIN}", token=tag, public_key=tag, mail_id=mail_id, **facts, **times
    )


def test_codes_come_at_once_whatever_waits_of_invitations(street, rules, clock, services):
    for index, each in enumerate(senders(12)):
        for number in range(4):
            street.invite(tagged(f"{index}.{number}"), sender=each)
    street.go_on(timedelta(hours=3))
    street.invite()
    with services.database.transaction() as session:
        facts = {"address": EmailAddress.parse(VICTIM), "browser": "ana", "language": "fr"}
        sign_up.start(session, rules, clock(), **facts)
    asked = clock()
    street.go_on(MINUTE)
    assert street.told(template="verify") == [asked]


def test_who_revokes_in_turn_takes_nobodys_turn(street):
    for each in senders(3):
        row = street.invite(tagged(each[9]), sender=each)
        street.inviting.act(invitations.revoke, row, by=each)
    row = street.invite()
    street.go_on(HALF_AN_HOUR)
    assert street.wait_of(row) <= MINUTE


def test_one_tag_that_has_no_mailbox_keeps_the_others_from_nothing(street, services, clock):
    with services.database.transaction() as session:
        gone = services.hashes.hash_of_address(session, tagged(0))
        suppressions.add(session, clock(), gone, SuppressionReason.NO_MAILBOX)
    gone, other = (street.invite(tagged(number), sender=ZOE) for number in range(2))
    street.go_on(HALF_AN_HOUR * 2)
    assert street.inviting.where(gone) == "refused"
    assert street.inviting.where(other) == "sent"


def test_an_invitation_does_not_wait_for_the_lane_of_a_reminder_that_goes_first(
    street, services, clock
):
    """The lane of bulk mail is busy with a list of thousands all day."""
    street.invite(tagged("reminded"), sender=ADA)
    street.go_on(timedelta(days=7) - HALF_AN_HOUR)
    clock.advance(hours=1)
    invitation_timetable.run_due_tasks(services)
    assert [mail.template for mail in street.waiting()] == ["reminder"]
    clock.advance(minutes=1)
    row = street.invite(tagged("new"), "!new:x", sender=ZOE)
    until = clock() + DAY
    while street.inviting.where(row) != "sent":
        due = tasks.run_lane(services, Lane.NORMAL)
        assert due is None or due < until
        clock.time = max(clock(), due or clock())
