"""The code of an invitation's mail: a day, five tries for who holds the mail, one browser."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.accounts import models as accounts
from identity.accounts.models import Account
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import Result
from identity.core.outbox import Lane
from identity.homeservers import models as homeservers
from identity.invitations import opting_out, proof as invitation_proof, service as invitations
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.invitations.models import Delivery
from identity.mail.rendering import group_digits
from identity.registration import service as registration
from identity.sign_up import service as sign_up, visibility
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.threepids import associations
from tests.services.person import code_in, plain
from tests.worlds import codes
from tests.worlds.inviting import ADA, GIL, ZOE, Inviting
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO
from workers import tasks


@pytest.fixture
def zoe(services, database, rules, clock) -> Inviting:
    return Inviting(database, rules, clock)


@pytest.fixture
def post(services, clock):
    """The worker sends what is due, once invitations that come together were gathered."""

    def post():
        clock.time += GATHERING_TIME
        for lane in (Lane.URGENT, Lane.NORMAL):
            tasks.run_lane(services, lane)

    return post


@pytest.fixture
def invite(post):
    """An invitation whose mail has left."""
    made = []

    def invite(zoe, **facts):
        made.append(zoe.store(**facts))
        post()
        return made[-1]

    return invite


@pytest.fixture
def code(database, tokens):
    def code():
        with database.reading() as session:
            return codes.mailed(session, tokens, Purpose.INVITATION, GIL)

    return code


@pytest.fixture
def type_code(zoe, database, tokens, clock, code):
    """What became of a code; without one, the right one."""

    def type_code(row, typed=None, **facts):
        with database.transaction() as session:
            now = zoe.read_in(session, row)
            answer = invitation_proof.type_code(
                session, tokens, clock(), now, typed or code(), **facts
            )
        return answer.result

    return type_code


@pytest.mark.slow
def test_the_code_holds_for_a_day_and_can_be_typed_again(zoe, invite, type_code, clock):
    row = invite(zoe)
    assert [type_code(row), type_code(row)] == [Result.RIGHT, Result.RIGHT]
    clock.advance(hours=23, minutes=59)
    assert type_code(row) is Result.RIGHT
    clock.advance(minutes=1)
    assert type_code(row) is Result.OVER
    assert type_code(row, until=clock() + timedelta(days=1)) is Result.RIGHT


@pytest.mark.slow
def test_five_wrong_codes_end_it_and_the_next_mail_has_another(
    zoe, invite, type_code, code, clock, post
):
    row, old = invite(zoe), code()
    tried = [type_code(row, codes.wrong(old)) for _ in range(5)]
    assert tried == [Result.WRONG] * 4 + [Result.OFF]
    assert type_code(row) is Result.OFF
    clock.advance(hours=1)
    zoe.act(invitations.resend, row, by=ZOE)
    post()
    assert code() != old
    assert type_code(row) is Result.RIGHT


@pytest.mark.slow
def test_all_invitations_of_an_address_carry_one_code(zoe, invite, type_code, code, postbox):
    rows = [
        invite(zoe, room_id=f"!{n}:education.example", sender=each)
        for n, each in enumerate((ZOE, ADA))
    ]
    assert {code_in(plain(mail)) for mail in postbox.sent} == {group_digits(code())}
    assert [type_code(row) for row in rows] == [Result.RIGHT] * 2


def test_it_confirms_one_browser(zoe, invite, type_code):
    row = invite(zoe)
    tried = [type_code(row, browser=each) for each in (ANA, ANA, BRUNO, None)]
    assert tried == [Result.RIGHT, Result.RIGHT, Result.OVER, Result.RIGHT]


@pytest.mark.slow
def test_no_guessing_at_the_address_shuts_out_who_holds_the_mail(
    zoe, invite, type_code, database, rules, tokens, clock, post
):
    row = invite(zoe)
    with database.transaction() as session:
        asked = start(session, rules, clock, ANA)
    post()
    for _ in range(30):
        with database.transaction() as session:
            request = session.get(VerificationRequest, asked.id)
            sign_up.try_code(session, tokens, clock(), request, "00000000")
    assert type_code(row) is Result.RIGHT


def start(session, rules, clock, browser):
    return sign_up.start(
        session,
        rules,
        clock(),
        address=EmailAddress.parse(GIL),
        browser=browser,
        language="en",
    )


@pytest.mark.slow
def test_the_mail_tells_who_is_invited_the_code_and_who_is_not_that_nothing_waits(
    zoe, database, rules, clock, post
):
    for _ in range(2):
        with database.transaction() as session:
            start(session, rules, clock, ANA)
        post()
        zoe.store()
        clock.advance(minutes=1)
    assert sorted(mail for mail, _ in zoe.mails()) == ["invite", "none", "verify"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_an_invitation_that_ended_counts_as_none(zoe, database, rules, clock, end, post):
    row = zoe.store()
    if end == "revoked":
        zoe.act(invitations.revoke, row, by=ZOE)
    else:
        clock.advance(days=30)
    with database.transaction() as session:
        start(session, rules, clock, ANA)
    post()
    assert "none" in [mail for mail, _ in zoe.mails()]


def test_the_proof_opens_one_confirmed_request_in_its_browser_alone(zoe, database, rules, clock):
    row = zoe.store()
    with database.transaction() as session:
        facts = {"browser": ANA, "language": "fr"}
        first, again = (
            invitation_proof.open_request(session, rules, clock(), row, **facts) for _ in range(2)
        )
        assert (first.id, visibility.step_of(first, clock())) == (again.id, Step.CONFIRMED)
        assert first.homeserver == "guests.example"
        for browser, proved in ((ANA, True), (BRUNO, False), (None, False)):
            given = invitation_proof.is_verified_in(session, clock(), row, browser=browser)
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
        made = registration.claim(session, rules, clock(), **claimed)
    zoe.act(invitations.revoke, row, by=ZOE)
    with database.transaction() as session, pytest.raises(problems.InvitationNeeded):
        registration.claim(session, rules, clock(), **claimed)
    zoe.store()
    with database.transaction() as session:
        registration.finish(session, clock(), session.get_one(Account, made.id))
    with database.reading() as session:
        made = session.get_one(Account, made.id)
    assert (made.sponsor, made.access_ends_at) == (ZOE, clock() + timedelta(days=365))


def test_two_who_ask_within_the_minute_are_served_by_one_mail(zoe, database, rules, clock):
    row = zoe.store()
    with database.transaction() as session:
        asked = [
            invitation_proof.ask_for_code(
                session, rules, clock(), row, browser=browser, language="fr"
            )
            for browser in (ANA, BRUNO)
        ]
        assert [each.mail_at for each in asked] == [clock(), clock()]
    assert [mail for mail, _ in zoe.mails()].count("verify") == 1


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
    database, hashes, clock
):
    with database.transaction() as session:
        for _ in range(2):
            opting_out.opt_out(session, hashes, clock(), GIL)
        assert opting_out.has_opted_out(session, hashes, GIL)
        assert not opting_out.has_opted_out(session, hashes, "other@association.example")
    clock.advance(days=7)
    with database.transaction() as session:
        assert not opting_out.undo(session, hashes, clock(), GIL)
    clock.advance(seconds=-1)
    with database.transaction() as session:
        assert opting_out.undo(session, hashes, clock(), GIL)
        assert not opting_out.undo(session, hashes, clock(), GIL)
        assert not opting_out.has_opted_out(session, hashes, GIL)
