"""Invitations are kept whole, mailed with measure, and say nothing of the address."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core.database import Database
from identity.core.outbox import Job, JobKind
from identity.invitations import (
    inviters,
    mail_grouping,
    models as third_party_invitations,
    room_agreement,
    store_invite,
)
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.invitations.models import Delivery
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails
from identity.threepids import associations, validation
from tests.worlds.cleaning import cleaned
from tests.worlds.inviting import Inviting, stored_in_room
from tests.worlds.sign_ups import *

ZOE = "@zoe:education.example"
ADDRESS = "gil@association.example"
DAY, HALF_AN_HOUR = timedelta(days=1), timedelta(minutes=30)


@pytest.fixture
def store(database, rules, clock):
    keys = iter(range(10_000))

    def store(typed=ADDRESS, room_id="!room:education.example", sender=ZOE, facts=()):
        invited = InviteRequest(
            typed=typed,
            address=EmailAddress.parse(typed),
            room_id=room_id,
            sender=sender,
            facts=dict(facts),
        )
        with database.transaction() as session:
            return stored_in_room(
                session,
                rules,
                clock(),
                invited=invited,
                key=EphemeralKey(f"public {next(keys)}", "sealed"),
                signing_key_id="ed25519:0",
            )

    return store


@pytest.fixture
def mailed(database):
    """State and language of every invitation mail."""

    def mailed():
        with database.reading() as session:
            return [mail.state for mail in mails.find_recent(session) if mail.template == "invite"]

    return mailed


@pytest.fixture
def told_by(database):
    """The mail that tells of an invitation."""

    def told_by(row):
        with database.reading() as session:
            return third_party_invitations.find(session, row.id).mail_id

    return told_by


@pytest.fixture
def goes_at(database, told_by):
    """When the mail of an invitation goes."""

    def goes_at(row):
        with database.reading() as session:
            return mails.find(session, told_by(row)).goes_at

    return goes_at


@pytest.fixture
def worker_writes(database, clock):
    """What is due is written and handed over."""

    def worker_writes():
        with database.transaction() as session:
            for mail in mails.find_recent(session, state=mails.MailState.WAITING):
                assert mail_grouping.close(session, clock(), mails.find(session, mail.id)) is None
                mail.state = mails.MailState.HANDED

    return worker_writes


@pytest.fixture
def bound(database, clock):
    with database.transaction() as session:
        associations.bind(session, clock(), address=ADDRESS, user_id="@gil:guests.example")


@pytest.mark.slow
def test_every_token_is_new_and_of_the_specified_characters(store):
    tokens = [store(room_id=f"!{number}:x").token for number in range(3)]
    assert len(set(tokens)) == 3
    assert all(validation.SECRET.fullmatch(token) for token in tokens)


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("gil.perrin@association.example", "gil...@ass..."),
        ("ab@cd", "a...@c..."),
        ("a@b", "...@..."),
        ("abc@def", "a...@d..."),
    ],
)
def test_the_name_in_the_room_is_not_the_address(address, masked):
    assert store_invite.masked_display_name(address) == masked
    assert address not in masked


def test_what_is_bound_is_refused_with_its_owner(store, bound):
    with pytest.raises(problems.AddressBound) as refused:
        store()
    assert refused.value.further == {"mxid": "@gil:guests.example"}


def test_what_synapse_looked_for_unfolded_is_delivered_at_once(store, bound, database, mailed):
    kept = store("Gil@Association.example")
    with database.reading() as session:
        row = third_party_invitations.find(session, kept.id)
        errands = session.scalars(select(Job.subject_id).where(Job.kind == JobKind.ONBIND)).all()
    assert (row.delivery, row.invitee) == (Delivery.DUE, "@gil:guests.example")
    assert errands == [kept.id]
    assert not mailed()


def test_a_room_is_whatever_text_names_it(store, database):
    kept = store(room_id="$not a room at all")
    with database.reading() as session:
        assert third_party_invitations.find(session, kept.id).room_id == "$not a room at all"


def test_names_are_kept_as_far_as_a_mail_shows_them_and_nothing_else(store):
    kept = store(
        facts={
            "room_name": "n" * 1000,
            "room_alias": "",
            "sender_avatar_url": 5,
            "org.matrix.web_client_location": "https://x.example",
        }
    )
    assert kept.facts == {"room_name": "n" * 255}


@pytest.mark.slow
def test_the_same_invitation_again_is_kept_but_not_mailed_for_three_days(
    store, mailed, clock, worker_writes
):
    store()
    clock.advance(hours=71)
    worker_writes()
    store()
    assert len(mailed()) == 1
    store(room_id="!other:x")
    clock.advance(hours=74)
    worker_writes()
    store()
    assert len(mailed()) == 3


@pytest.mark.slow
def test_three_rooms_in_one_go_are_told_by_one_mail(store, mailed, clock, told_by, worker_writes):
    rows = [store(room_id=f"!{number}:x") for number in range(3)]
    assert mailed() == ["waiting"]
    assert len({told_by(row) for row in rows}) == 1
    clock.advance(seconds=10)
    worker_writes()
    later = [store(room_id=f"!later{number}:x") for number in range(3)]
    assert len(mailed()) == 2
    assert {told_by(row) for row in later}.isdisjoint({told_by(row) for row in rows})


@pytest.mark.slow
def test_one_mail_in_half_an_hour_and_three_a_day_tell_a_mailbox_of_invitations(
    store, clock, goes_at, worker_writes
):
    start, ordered = clock(), []
    for number in range(6):
        ordered.append(goes_at(store(room_id=f"!{number}:x")))
        clock.time = ordered[-1]
        worker_writes()
    first = start + GATHERING_TIME
    half_hours = [first + number * HALF_AN_HOUR for number in range(4)]
    assert ordered == [*half_hours, first + DAY, first + DAY + HALF_AN_HOUR]


def test_another_tag_is_the_same_mailbox_and_has_a_mail_of_its_own_when_its_turn_comes(
    store, goes_at, told_by, worker_writes, clock
):
    first, second = store("gil+a@association.example"), store("gil+b@association.example")
    assert told_by(first) == told_by(second), "of one sender one mail waits for a mailbox"
    clock.time += GATHERING_TIME
    worker_writes()
    assert told_by(first) != told_by(second), "it was to the one address"
    assert goes_at(second) == goes_at(first) + HALF_AN_HOUR


def test_without_limits_nothing_is_gathered_and_nothing_waits(database, rules, clock):
    zoe = Inviting(Database(database.engine, limited=False), rules, clock)
    for number in range(4):
        zoe.store(room_id=f"!{number}:x")
    with database.reading() as session:
        assert [mail.goes_at for mail in mails.find_recent(session)] == [clock()] * 4


def test_without_limits_who_asks_once_is_mailed_once_whoever_says_that_the_room_took_it(
    database, rules, clock
):
    """The module's report, and whoever placed it there or asked the room."""
    zoe = Inviting(Database(database.engine, limited=False), rules, clock)
    for ordered in (1, 2):
        row = zoe.store()
        clock.advance(seconds=2)
        assert zoe.act(room_agreement.confirm, row)
        with database.reading() as session:
            assert len(mails.find_recent(session)) == ordered
        clock.advance(seconds=2)


@pytest.mark.slow
def test_one_account_invites_fifty_guests_a_day(store, clock):
    for number in range(50):
        store(f"guest{number}@association.example")
    clock.advance(hours=23)
    with pytest.raises(problems.TooManyInvitations) as refused:
        store("another@association.example")
    assert refused.value.retry_after == 3600
    store("agent@ac-rouen.example")
    store("another@association.example", sender="@ada:education.example")
    clock.advance(hours=1)
    store("another@association.example")


def test_the_inviter_is_named_by_the_address_that_was_proved(database, rules, clock):
    with database.transaction() as session:
        associations.bind(session, clock(), address="zoe.martin@ac-rouen.example", user_id=ZOE)
        assert inviters.name_and_organisation_of(session, rules, ZOE) == (
            "Zoe Martin",
            "Éducation nationale – Rouen",
        )
        assert inviters.name_and_organisation_of(session, rules, "@eve:x.example") == (None, None)


def test_an_invitation_is_forgotten_six_months_after_its_end(store, database, clock):
    store()
    clock.advance(days=30 + 183)
    with database.transaction() as session:
        assert cleaned(session, clock())["invitations"] == 0
    clock.advance(minutes=1)
    with database.transaction() as session:
        assert cleaned(session, clock())["invitations"] == 1
        assert third_party_invitations.count_by_delivery(session) == {}
