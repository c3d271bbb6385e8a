"""The code of an invitation's mail: a day, five tries, and twenty a day for the address over all its mails."""

import threading
from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.storage import accounts, associations, homeservers, verification_requests
from identity.storage.accounts import Account
from identity.storage.third_party_invitations import Delivery
from identity.storage.verification_requests import Reality
from identity.use_cases import accounts as account_use_case
from identity.use_cases import codes, invitation_proof, invitations, opting_out, sign_up
from identity.use_cases.codes import Result
from identity.use_cases.sign_up import Step

from .conftest import ANA, BRUNO
from .inviting import ADA, GIL, ZOE, Inviting


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


@pytest.fixture
def type_code(zoe, database, tokens, clock):
    """What became of a code; without one, the right one."""

    def type_code(row, code=None, **facts):
        with database.transaction() as session:
            now = zoe.read_in(session, row)
            typed = code or tokens.code(now.id, now.code_generation)
            answer = invitation_proof.type_code(session, tokens, clock(), now, typed, **facts)
        return answer.result

    return type_code


@pytest.fixture
def wrong(tokens):
    def wrong(row):
        return f"{(int(tokens.code(row.id, row.code_generation)) + 1) % 10**6:06d}"

    return wrong


def test_the_code_holds_for_a_day_and_can_be_typed_again(zoe, type_code, clock):
    row = zoe.store()
    assert [type_code(row), type_code(row)] == [Result.RIGHT, Result.RIGHT]
    assert zoe.read(row).wrong_tries == 0
    clock.advance(hours=23, minutes=59)
    assert type_code(row) is Result.RIGHT
    clock.advance(minutes=1)
    assert type_code(row) is Result.EXPIRED
    assert type_code(row, until=clock() + timedelta(days=1)) is Result.RIGHT


def test_five_wrong_codes_end_it_and_the_next_mail_has_another(zoe, type_code, wrong, clock):
    row = zoe.store()
    tried = [type_code(row, wrong(row)) for _ in range(5)]
    assert tried == [Result.WRONG] * 4 + [Result.LOCKED]
    assert type_code(row) is Result.LOCKED
    clock.advance(hours=1)
    zoe.act(invitations.resend, row, by=ZOE)
    assert type_code(zoe.read(row)) is Result.RIGHT


def test_fifty_threads_take_five_tries_between_them(zoe, type_code, wrong):
    row, results = zoe.store(), []

    def guess():
        results.append(type_code(row, wrong(row)))

    threads = [threading.Thread(target=guess) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Result.WRONG) == 4
    assert zoe.read(row).wrong_tries == 5


def test_twenty_wrong_codes_a_day_over_all_mails_of_an_address_switch_codes_off(
    zoe, type_code, wrong, database, rules, tokens, clock
):
    rows = [zoe.store(room_id=f"!{n}:education.example") for n in range(3)]
    for row in rows:
        for _ in range(5):
            type_code(row, wrong(row))
    with database.transaction() as session:
        asked = start(session, rules, clock, ANA)
    for _ in range(5):
        with database.transaction() as session:
            request = sign_up.by_token_id(session, asked.id)
            sign_up.type_code(session, tokens, clock(), request, "000000")
    last = zoe.store(sender=ADA)
    assert type_code(last) is Result.LOCKED
    with database.reading() as session:
        assert codes.are_off(session, clock(), GIL)
        assert not invitation_proof.has_code(session, clock(), last)
    clock.advance(days=1)
    with database.reading() as session:
        assert not codes.are_off(session, clock(), GIL)


def start(session, rules, clock, browser):
    return sign_up.start(
        session,
        rules,
        clock(),
        address=EmailAddress.parse(GIL),
        browser=browser,
        language="en",
    )


def test_the_mail_tells_who_is_invited_the_code_and_who_is_not_that_nothing_waits(
    zoe, database, rules, clock
):
    with database.transaction() as session:
        assert start(session, rules, clock, ANA).reality == Reality.NONE
    zoe.store()
    clock.advance(minutes=1)
    with database.transaction() as session:
        assert start(session, rules, clock, ANA).reality == Reality.VERIFY
    assert sorted(mail for mail, _ in zoe.mails()) == ["invite", "none", "verify"]


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_an_invitation_that_ended_counts_as_none(zoe, database, rules, clock, end):
    row = zoe.store()
    if end == "revoked":
        zoe.act(invitations.revoke, row, by=ZOE)
    else:
        clock.advance(days=30)
    with database.transaction() as session:
        assert start(session, rules, clock, ANA).reality == Reality.NONE


def test_the_proof_opens_one_confirmed_request_in_its_browser_alone(zoe, database, rules, clock):
    row = zoe.store()
    with database.transaction() as session:
        facts = {"browser": ANA, "language": "fr"}
        first, again = (
            invitation_proof.open_request(session, rules, clock(), row, **facts) for _ in range(2)
        )
        assert (first.id, sign_up.where(first, clock())) == (again.id, Step.CONFIRMED)
        assert first.homeserver == "guests.example"
        for browser, proved in ((ANA, True), (BRUNO, False), (None, False)):
            given = invitation_proof.is_proved_in(session, clock(), row, browser=browser)
            assert given == proved


def test_what_waits_for_somebody_who_is_known_meanwhile_goes_to_them(zoe, database, rules, clock):
    row = zoe.store()
    with database.transaction() as session:
        associations.bind(session, clock(), address=GIL, user_id="@gil:guests.example")
        invitation_proof.open_request(
            session, rules, clock(), zoe.read_in(session, row), browser=ANA, language="fr"
        )
    assert zoe.read(row).delivery == Delivery.DUE
    with database.reading() as session:
        assert invitation_proof.is_invited(session, GIL)


def test_the_account_of_a_guest_has_a_sponsor_and_an_end_and_needs_the_invitation_at_the_click(
    zoe, database, rules, clock
):
    row = zoe.store()
    facts = {"browser": ANA, "language": "fr"}
    with database.transaction() as session:
        request = invitation_proof.open_request(session, rules, clock(), row, **facts)
        guests = homeservers.find(session, "guests.example")
        claimed = {"request": request, "homeserver": guests, "display_name": "Gil"}
        made = account_use_case.claim(session, rules, clock(), **claimed)
    zoe.act(invitations.revoke, row, by=ZOE)
    with database.transaction() as session, pytest.raises(problems.InvitationNeeded):
        account_use_case.claim(session, rules, clock(), **claimed)
    zoe.store()
    with database.transaction() as session:
        account_use_case.finish(session, clock(), session.get_one(Account, made.id))
    with database.reading() as session:
        made = session.get_one(Account, made.id)
    assert (made.sponsor, made.access_ends_at) == (ZOE, clock() + timedelta(days=365))


def test_too_soon_for_another_mail_nothing_is_opened(zoe, database, rules, clock):
    row = zoe.store()
    facts = {"language": "fr"}
    with database.transaction() as session:
        asked = [
            invitation_proof.ask_for_code(session, rules, clock(), row, browser=browser, **facts)
            for browser in (ANA, BRUNO)
        ]
        assert asked == [True, False]
        found = verification_requests.latest_of(session, browser=BRUNO, address=GIL)
    assert found is None


def test_the_language_is_the_invited_persons_else_the_inviters_else_both(
    zoe, database, rules, clock
):
    row = zoe.store()

    def language():
        with database.reading() as session:
            return invitation_proof.language_of(session, zoe.read_in(session, row))

    assert language() == ""
    with database.transaction() as session:
        session.add(account(clock, "zoe@ac-rouen.example", ZOE, "fr"))
    assert language() == "fr"
    with database.transaction() as session:
        start(session, rules, clock, ANA)
    assert language() == "en"
    with database.transaction() as session:
        session.add(account(clock, GIL, "@gil:guests.example", "fr"))
    assert language() == "fr"


def account(clock, address, user_id, language):
    return Account(
        address=address,
        user_id=user_id,
        homeserver=user_id.partition(":")[2],
        account_class="agent",
        display_name="",
        language=language,
        state=accounts.AccountState.READY,
        creation_mark="",
        created_at=clock(),
    )


def test_no_more_mails_is_said_once_kept_without_the_address_and_taken_back_for_a_week(
    database, tokens, clock
):
    with database.transaction() as session:
        for _ in range(2):
            opting_out.opt_out(session, tokens, clock(), GIL)
        assert opting_out.has_opted_out(session, tokens, GIL)
        assert not opting_out.has_opted_out(session, tokens, "other@association.example")
    clock.advance(days=7)
    with database.transaction() as session:
        assert not opting_out.undo(session, tokens, clock(), GIL)
    clock.advance(seconds=-1)
    with database.transaction() as session:
        assert opting_out.undo(session, tokens, clock(), GIL)
        assert not opting_out.undo(session, tokens, clock(), GIL)
        assert not opting_out.has_opted_out(session, tokens, GIL)
