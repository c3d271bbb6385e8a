"""Invitations are kept whole, mailed with measure, and say nothing of the address. S83, S84, S87."""

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.storage import associations, mails, third_party_invitations
from identity.storage.outbox import Errand, OutboxEntry
from identity.storage.third_party_invitations import Delivery
from identity.use_cases import retention, store_invite, validation
from identity.use_cases.store_invite import EphemeralKey, Invited

ZOE = "@zoe:education.example"
ADDRESS = "gil@association.example"


@pytest.fixture
def store(database, rules, clock):
    keys = iter(range(10_000))

    def store(typed=ADDRESS, room_id="!room:education.example", sender=ZOE, facts=()):
        invited = Invited(
            typed=typed,
            address=EmailAddress.parse(typed),
            room_id=room_id,
            sender=sender,
            facts=dict(facts),
        )
        with database.transaction() as session:
            return store_invite.store(
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
            return [mail.state for mail in mails.recent(session) if mail.template == "invite"]

    return mailed


@pytest.fixture
def bound(database, clock):
    with database.transaction() as session:
        associations.bind(session, clock(), address=ADDRESS, user_id="@gil:guests.example")


def test_s83_every_token_is_new_and_of_the_specified_characters(store):
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
def test_s83_the_name_in_the_room_is_not_the_address(address, masked):
    assert store_invite.masked(address) == masked
    assert address not in masked


def test_s84_what_is_bound_is_refused_with_its_owner(store, bound):
    with pytest.raises(problems.AddressBound) as refused:
        store()
    assert refused.value.further == {"mxid": "@gil:guests.example"}


def test_s87_what_synapse_looked_for_unfolded_is_delivered_at_once(store, bound, database, mailed):
    kept = store("Gil@Association.example")
    with database.reading() as session:
        row = third_party_invitations.find(session, kept.id)
        errands = session.scalars(
            select(OutboxEntry.subject_id).where(OutboxEntry.errand == Errand.ONBIND)
        ).all()
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


def test_the_same_invitation_again_is_kept_but_not_mailed_for_three_days(store, mailed, clock):
    store()
    clock.advance(hours=71)
    store()
    assert len(mailed()) == 1
    store(room_id="!other:x")
    store(sender="@ada:education.example")
    assert len(mailed()) == 3
    clock.advance(hours=74)
    store()
    assert len(mailed()) == 4


def test_over_three_a_day_the_mail_is_withheld_and_the_invitation_kept(store, mailed, database):
    for number in range(5):
        store(room_id=f"!{number}:x")
    assert sorted(mailed()) == ["waiting"] * 3 + ["withheld"] * 2
    with database.reading() as session:
        assert third_party_invitations.counts(session) == {"waiting": 5}


def test_s88_one_account_invites_fifty_guests_a_day(store, clock):
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
        assert store_invite.inviter(session, rules, ZOE) == (
            "Zoe Martin",
            "Éducation nationale – Rouen",
        )
        assert store_invite.inviter(session, rules, "@eve:x.example") == (None, None)


def test_an_invitation_is_forgotten_six_months_after_its_end(store, database, clock):
    store()
    clock.advance(days=30 + 183)
    with database.transaction() as session:
        assert retention.clean_up(session, clock())["invitations"] == 0
    clock.advance(minutes=1)
    with database.transaction() as session:
        assert retention.clean_up(session, clock())["invitations"] == 1
        assert third_party_invitations.counts(session) == {}
