"""An association stands where the rules allow; invitations that waited go after it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity import problems
from identity.accounts import verified_addresses
from identity.accounts.models import Account, AccountState
from identity.binding import service as binding
from identity.core.outbox import Job, JobKind
from identity.invitations import models as third_party_invitations
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.registration import service as registration
from identity.threepids import associations, validation, validation_sessions
from identity.threepids.validation import Wanted
from tests.worlds.services import agent

ADDRESS = "camille.durand@ac-rouen.example"
CAMILLE = "@camille:education.example"
SECRET = "monkeys_are_GREAT"


@pytest.fixture
def proved(database, services, clock):
    """A validation session of Camille's, proved."""

    def proved(address=ADDRESS, user_id=CAMILLE, secret=SECRET):
        wanted = Wanted(EmailAddress.parse(address), secret, 1, user_id, "", "fr")
        with database.transaction() as session:
            asked = validation.request_validation(session, services.vault, clock(), wanted)
            validation_sessions.mark_validated(session, asked, clock())
            return asked

    return proved


@pytest.fixture
def bind(database, rules, clock):
    def bind(asked, user_id=CAMILLE, policy="rule", secret=SECRET):
        with database.transaction() as session:
            return binding.bind(
                session,
                rules,
                clock(),
                policy=policy,
                user_id=user_id,
                sid=asked.sid,
                client_secret=secret,
            )

    return bind


@pytest.fixture
def owner(database):
    def owner(address=ADDRESS):
        with database.reading() as session:
            found = associations.find_by_address(session, address)
            return found and found.user_id

    return owner


def invite(session, now, *, address=ADDRESS, token="t", **facts):
    row = ThirdPartyInvitation(
        **{
            "address": address,
            "room_id": "!room:education.example",
            "sender": "@zoe:education.example",
            "token": token,
            "public_key": f"key of {token}",
            "sealed_key": "",
            "signing_key_id": "ed25519:0",
            "facts": {},
            "for_guest": False,
            "created_at": now,
            "expires_at": now + binding.CENTURY,
        }
        | facts
    )
    session.add(row)
    session.flush()
    return row


def test_what_is_signed_has_the_seven_facts_but_the_signature(proved, bind, clock):
    told = bind(proved())
    milliseconds = int(clock().timestamp() * 1000)
    assert (told["medium"], told["address"], told["mxid"]) == ("email", ADDRESS, CAMILLE)
    assert told["ts"] == milliseconds
    assert told["not_before"] == milliseconds - 60_000, "the reader's clock may be behind ours"
    assert told["not_after"] > milliseconds + 99 * 365 * 86_400_000


def test_only_a_proof_that_counts_is_bound(proved, bind, owner, clock, database):
    asked = proved()
    with pytest.raises(problems.NoValidSession):
        bind(asked, secret="another")
    clock.advance(hours=25)
    with pytest.raises(problems.SessionExpired):
        bind(asked)
    assert owner() is None


def test_who_did_not_ask_does_not_profit_from_the_proof(proved, bind, owner):
    with pytest.raises(problems.NoValidSession):
        bind(proved(), user_id="@eve:education.example")
    assert owner() is None


def test_an_address_is_bound_only_on_the_homeserver_of_its_rule(proved, bind, owner):
    elsewhere = "@camille:guests.example"
    asked = proved(user_id=elsewhere)
    with pytest.raises(problems.WrongServer) as refused:
        bind(asked, user_id=elsewhere)
    assert refused.value.further == {
        "org.guichet.reason": "wrong_server",
        "hs": "education.example",
    }
    assert owner() is None
    bind(asked, user_id=elsewhere, policy="any")
    assert owner() == elsewhere


def test_while_a_domain_moves_its_former_homeserver_counts(clock):
    until = clock() + timedelta(days=60)
    moved = replace(
        agent("ac-rouen.example"),
        homeserver="new.example",
        moved_from=("education.example",),
        moving_until=until,
    )
    address = EmailAddress.parse(ADDRESS)

    def check():
        binding.check_homeserver(RuleSet.compile([moved]), clock(), address, CAMILLE, policy="rule")

    check()
    clock.time = until
    with pytest.raises(problems.WrongServer):
        check()


def test_a_second_bind_replaces_the_first(proved, bind, owner, clock):
    bind(proved())
    clock.advance(minutes=2)
    zoe = "@zoe:education.example"
    bind(proved(user_id=zoe, secret="of Zoé"), user_id=zoe, secret="of Zoé")
    assert owner() == zoe


def test_every_invitation_that_waits_is_ordered_once(database, proved, bind, clock):
    with database.transaction() as session:
        mine = {invite(session, clock(), token=f"t{n}", room_id=f"!{n}:x").id for n in range(3)}
        other = invite(session, clock(), token="other", address="zoe@ac-rouen.example")
        late = invite(session, clock(), token="late", room_id="!z:x", expires_at=clock())
    asked = proved()
    bind(asked)
    bind(asked)
    with database.reading() as session:
        ordered = session.scalars(select(Job.subject_id).where(Job.kind == JobKind.ONBIND)).all()
        waiting = {
            row.id
            for row in session.scalars(select(ThirdPartyInvitation))
            if row.delivery == Delivery.WAITING
        }
    assert sorted(ordered) == sorted(mine)
    assert waiting == {other.id, late.id}


@pytest.mark.parametrize("typed", [ADDRESS, "Camille.Durand@AC-ROUEN.example"])
def test_what_was_bound_is_unbound_however_it_is_written(database, proved, bind, owner, typed):
    bind(proved())
    for _ in range(2):
        with database.transaction() as session:
            binding.unbind(session, address=typed, user_id=CAMILLE)
    assert owner() is None


@pytest.mark.parametrize("typed", ["nobody@ac-rouen.example", "no address", "", "a@b@c"])
def test_what_was_never_bound_is_no_fault(database, proved, bind, owner, typed):
    bind(proved())
    with database.transaction() as session:
        binding.unbind(session, address=typed, user_id=CAMILLE)
    assert owner() == CAMILLE


def test_a_proof_of_another_address_does_not_count(database, proved, clock):
    asked = proved()

    def owns(**other):
        facts = {"sid": asked.sid, "client_secret": SECRET, "address": ADDRESS} | other
        with database.reading() as session:
            return binding.is_verified_in(session, clock(), **facts)

    assert owns()
    assert owns(address="Camille.Durand@ac-rouen.example")
    assert not owns(address="zoe@ac-rouen.example")
    assert not owns(client_secret="another")
    assert not owns(sid="0" * 32)
    clock.advance(hours=25)
    assert not owns()


def test_another_owner_is_left_alone(database, proved, bind, owner):
    bind(proved())
    with database.transaction() as session:
        binding.unbind(session, address=ADDRESS, user_id="@eve:education.example")
    assert owner() == CAMILLE


def test_an_account_that_was_made_gets_what_waited_for_its_address(database, clock):
    with database.transaction() as session:
        waiting = invite(session, clock()).id
        account = Account(
            address=ADDRESS,
            user_id=CAMILLE,
            homeserver="education.example",
            account_class="agent",
            display_name="Camille",
            language="fr",
            state=AccountState.CREATING,
            creation_mark="mark",
            created_at=clock(),
        )
        session.add(account)
        session.flush()
        registration.finish(session, clock(), account)
    with database.reading() as session:
        row = third_party_invitations.find(session, waiting)
    assert (row.delivery, row.invitee) == (Delivery.DUE, CAMILLE)


def test_what_is_bound_is_proved_until_the_homeserver_takes_it_away(
    database, proved, bind, owner, clock
):
    def proofs():
        with database.reading() as session:
            return verified_addresses.addresses_of(session, CAMILLE)

    bind(proved())
    assert proofs() == [ADDRESS]
    with database.transaction() as session:
        binding.unbind(session, address=ADDRESS, user_id=CAMILLE)
    assert (owner(), proofs()) == (None, [ADDRESS])
    with database.transaction() as session:
        binding.unbind_verified(session, clock(), address=ADDRESS.upper(), user_id=CAMILLE)
    assert proofs() == []


@pytest.mark.parametrize("policy", ["rule", "any"])
@pytest.mark.parametrize("address", ["a%evil.com@ac-rouen.example", "-a@ac-rouen.example"])
def test_a_proof_of_before_for_an_address_refused_now_binds_nobody(
    proved, bind, database, address, policy
):
    asked = proved()
    with database.transaction() as session:
        session.get(type(asked), asked.id).address = address
    with pytest.raises(problems.WrongServer):
        bind(asked, policy=policy)
    with database.reading() as session:
        assert associations.find_by_address(session, address) is None
        assert verified_addresses.users_of(session, address) == []
