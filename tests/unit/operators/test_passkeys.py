"""A passkey lets its operator in, and nothing but a right one, asked for just now in this browser, does."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sqlalchemy import func, select

from identity.core.journal import JournalEntry
from identity.maintenance import retention
from identity.operators import after_restore, helping, service as operating
from identity.operators.models import Source
from identity.operators.notices import OperatorNotice
from identity.operators.passkeys import models as stored, service as passkeys
from identity.operators.passkeys.models import Ceremony, OperatorPasskey, PasskeyChallenge
from identity.operators.passkeys.service import Answer
from tests.worlds.authenticators import Passkey
from tests.worlds.passkeys import *

OTHER = Passkey(ec.generate_private_key(ec.SECP256R1()), bytes(16), "localhost")


def told(services) -> list[tuple[str, str]]:
    """What operators were mailed of passkeys, and what the journal says, oldest first."""
    with services.database.reading() as session:
        mailed = session.scalars(select(OperatorNotice.what).order_by(OperatorNotice.at)).all()
        rows = session.scalars(select(JournalEntry).order_by(JournalEntry.number))
        facts = [(each.action, json.loads(each.facts)) for each in rows]
    written = [(action, each["passkey"]) for action, each in facts if "passkey" in each]
    return [*((what, "mail") for what in mailed if "passkey" in what), *written]


def count(services, table=OperatorPasskey) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


@pytest.mark.parametrize(
    "kind",
    [{}, {"counts": False}, {"kind": ed25519.Ed25519PrivateKey.generate}],
    ids=["counting", "shared", "ed25519"],
)
def test_a_passkey_lets_its_operator_in_as_often_as_they_like(services, clock, ada, apps, kind):
    apps.enrol(ada)
    desk = AtTheDesk(services, clock, **kind)
    made = desk.add(ada)
    assert (made.name, made.used_at, made.operator_id) == ("office laptop", None, ada.id)
    for _ in range(2):
        clock.advance(minutes=1)
        tried = desk.sign_in()
        assert (tried.answer, tried.operator.id) == (Answer.RIGHT, ada.id)
    with services.database.reading() as session:
        assert stored.find_of(session, ada.id)[0].used_at == clock()
    assert told(services) == [
        ("passkey_added", "mail"),
        ("operator.passkey_add", "office laptop"),
    ]


def test_a_key_that_vouches_for_itself_is_taken(her_desk, ada):
    assert her_desk.add(ada, name="second", fmt="packed", self_signed=True) is not None
    assert her_desk.sign_in().answer is Answer.RIGHT


def test_a_challenge_is_answered_once_soon_and_in_its_own_browser(her_desk, services, clock):
    asked = her_desk.asked(Ceremony.SIGN_IN)
    sent = her_desk.authenticator.get(her_desk.options_to_prove(asked))
    assert her_desk.send(sent, Asked("another browser", Ceremony.SIGN_IN)) == passkeys.WRONG
    assert her_desk.send(sent, her_desk.asked(Ceremony.AGAIN)) == passkeys.WRONG
    assert her_desk.send(sent, her_desk.asked(Ceremony.SIGN_IN, uuid.uuid4())) == passkeys.WRONG
    assert her_desk.send(sent, asked).answer is Answer.RIGHT
    assert her_desk.send(sent, asked) == passkeys.WRONG

    sent = her_desk.authenticator.get(her_desk.options_to_prove(asked))
    clock.advance(minutes=5)
    assert her_desk.send(sent, asked) == passkeys.WRONG
    assert count(services, PasskeyChallenge) == 3  # with that by which it was added
    clock.advance(seconds=1)
    with services.database.transaction() as session:
        stored.forget_challenges(session, clock())
    assert count(services, PasskeyChallenge) == 0


def test_old_challenges_are_deleted_with_what_else_is_over(her_desk, services, clock):
    assert count(services, PasskeyChallenge) == 1
    clock.advance(minutes=6)
    retention.clean_up(services.database, clock(), services.hashes)
    assert count(services, PasskeyChallenge) == 0
    assert count(services) == 1


def test_of_several_that_send_one_answer_at_once_one_is_let_in(her_desk):
    asked = her_desk.asked(Ceremony.SIGN_IN)
    sent = her_desk.authenticator.get(her_desk.options_to_prove(asked))
    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lambda _: her_desk.send(sent, asked).answer, range(4)))
    assert sorted(tried) == [Answer.RIGHT, *[Answer.WRONG] * 3]


@pytest.mark.parametrize("behind", [0, 5, 3])
def test_a_count_that_does_not_move_on_is_refused_and_told(her_desk, services, behind):
    her_desk.authenticator.passkeys[0].count = 4
    assert her_desk.sign_in().answer is Answer.RIGHT  # with 5
    assert her_desk.sign_in(count=behind) == passkeys.WRONG
    assert told(services)[1:] == [
        ("passkey_behind", "mail"),
        ("operator.passkey_add", "office laptop"),
        ("operator.passkey_behind", "office laptop"),
    ]
    assert her_desk.sign_in(count=8).answer is Answer.RIGHT


def test_a_lock_holds_for_passkeys_too_and_they_do_not_count_as_wrong_codes(
    her_desk, services, ada, apps, clock
):
    for _ in range(7):
        assert her_desk.sign_in(signer=OTHER) == passkeys.WRONG
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        assert found.wrong_factors == 0
        for _ in range(5):
            locked = factors.try_code(session, services.vault, clock(), found, "000000")
    tried = her_desk.sign_in()
    assert (tried.answer, tried.operator) == (Answer.LOCKED, None)
    assert tried.locked_until == locked.locked_until == clock() + timedelta(minutes=15)
    clock.advance(minutes=15)
    assert her_desk.sign_in().answer is Answer.RIGHT


@pytest.mark.parametrize("why", ["disabled", "unconfirmed", "known by a provider"])
def test_who_may_not_come_in_by_mail_does_not_by_passkey(her_desk, services, clock, ada, why):
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        if why == "disabled":
            found.disabled_at = clock()
        elif why == "unconfirmed":
            found.unconfirmed_at = clock()
        else:
            found.source = Source.SSO
    assert her_desk.sign_in() == passkeys.WRONG


def test_only_their_own_passkey_proves_again_who_somebody_is(her_desk, ada, ines, apps):
    apps.enrol(ines)
    hers = her_desk.authenticator.passkeys[0]
    assert her_desk.add(ines) is not None
    asked = her_desk.asked(Ceremony.AGAIN, uuid.uuid4())
    options = her_desk.options_to_prove(asked, ines)
    assert len(options["allowCredentials"]) == 1
    sent = her_desk.authenticator.get(options, passkey=hers)
    assert her_desk.send(sent, asked, ines) == passkeys.WRONG
    sent = her_desk.authenticator.get(her_desk.options_to_prove(asked, ines), user_handle=None)
    assert her_desk.send(sent, asked, ines).operator.id == ines.id
    foreign = her_desk.authenticator.get(
        her_desk.options_to_prove(asked, ines), user_handle=ada.id.bytes
    )
    assert her_desk.send(foreign, asked, ines) == passkeys.WRONG


def test_a_passkey_is_added_to_one_operator_only(her_desk, ines, apps):
    apps.enrol(ines)
    taken = her_desk.authenticator.passkeys[0].credential_id
    assert her_desk.add(ines, credential_id=taken) is None
    assert her_desk.sign_in(passkey=her_desk.authenticator.passkeys[0]).operator.name == "Ada"


def test_nobody_has_more_than_ten(her_desk, ada, services):
    assert all(her_desk.add(ada, name=f"key {number}") for number in range(9))
    assert her_desk.add(ada, name="one more") is None
    assert count(services) == 10


def test_who_has_no_app_gets_no_passkey(desk, services, clock, ada):
    assert desk.add(ada) is None
    assert count(services) == 0


@pytest.mark.parametrize("how", ["reset", "enabled again", "a restore"])
def test_passkeys_go_when_the_app_is_taken_away_and_after_a_restore(
    her_desk, services, clock, ada, make_operator, how
):
    make_operator("Bea", Role.ADMIN)
    with services.database.transaction() as session:
        if how == "reset":
            helping.reset_factor(session, clock(), SHELL, ada.id)
        elif how == "enabled again":
            operating.disable(session, clock(), SHELL, ada.id)
            operating.enable(session, clock(), SHELL, ada.id)
        else:
            after_restore.end_access(session, clock())
    assert her_desk.sign_in() == passkeys.WRONG
    assert count(services) == 0


def test_a_removed_passkey_lets_nobody_in(her_desk, services, clock, ada, ines):
    with services.database.transaction() as session:
        passkey = stored.find_of(session, ada.id)[0]
        foreign = operators.find(session, ines.id)
        assert not passkeys.remove(session, clock(), SHELL, foreign, passkey_id=passkey.id)
    assert her_desk.sign_in().answer is Answer.RIGHT
    with services.database.transaction() as session:
        own = operators.find(session, ada.id)
        assert passkeys.remove(session, clock(), SHELL, own, passkey_id=passkey.id)
        assert not passkeys.remove(session, clock(), SHELL, own, passkey_id=passkey.id)
    assert her_desk.sign_in() == passkeys.WRONG
    assert told(services)[-1] == ("operator.passkey_remove", "office laptop")
    assert ("passkey_removed", "mail") in told(services)
