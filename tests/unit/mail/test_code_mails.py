"""A mail that may not leave now leaves as soon as it may, for all who wait for it."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import sign_in as bulk_invite_sign_in
from identity.core.one_time_codes.service import Result
from identity.mail import models as mails
from identity.sign_up import service as sign_up
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO, reread, right_code

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def leaving(database):
    """When each mail leaves, oldest first."""

    def leaving(address="camille.durand@ac-rouen.example"):
        with database.reading() as session:
            return sorted(
                mail.goes_at for mail in mails.find_by_address(session, address, limit=200)
            )

    return leaving


@pytest.mark.slow
def test_another_browser_within_the_minute_takes_the_code_of_the_mail_that_just_went(
    begin, act, tokens, clock, database, leaving
):
    first = begin(browser=ANA)
    asked_at = clock()
    clock.advance(seconds=20)
    second = begin(browser=BRUNO)
    assert leaving() == [asked_at]
    assert (second.mail_at, second.asked_at) == (asked_at, clock())
    code = right_code(database, tokens, first)
    assert act(sign_up.try_code, second, code, tokens=tokens).result is Result.RIGHT


@pytest.mark.slow
def test_a_mail_asked_for_again_too_soon_is_ordered_for_the_first_moment_it_may_leave(
    begin, act, clock, database, leaving, post
):
    request = begin()
    began = clock()
    clock.advance(seconds=10)
    act(sign_up.resend, request, language="fr")
    act(sign_up.resend, request, language="fr")
    assert leaving() == [began, began + MINUTE]
    assert reread(database, request).mail_at == began + MINUTE
    post()
    with database.reading() as session:
        assert [mail.state for mail in mails.find_recent(session)].count("waiting") == 1
    clock.time = began + MINUTE
    post()
    with database.reading() as session:
        assert {mail.state for mail in mails.find_recent(session)} == {"handed"}


def test_who_asks_while_a_mail_waits_is_served_by_that_one(begin, act, clock, leaving):
    request = begin()
    began = clock()
    act(sign_up.resend, request, language="fr")
    clock.advance(seconds=5)
    assert begin(browser=BRUNO).mail_at == began + MINUTE
    assert len(leaving()) == 2


@pytest.mark.slow
def test_fifty_three_requests_in_six_hours_lock_nobody_out(
    start, begin, act, post, tokens, clock, database, leaving
):
    for number in range(53):
        begin(browser=f"browser {number}")
        clock.advance(minutes=7)
    times = leaving()
    for at in times:
        assert len([t for t in times if at <= t < at + HOUR]) <= 5
    owner = begin(browser="the owner")
    assert owner.mail_at <= clock() + HOUR
    before = [at for at in times if at <= clock()]
    assert clock() - max(before) < HOUR  # and until then the mail before has a code that lives
    code = right_code(database, tokens, owner)
    assert act(sign_up.try_code, owner, code, tokens=tokens).result is Result.RIGHT


def test_one_mail_an_hour_is_kept_for_a_browser_that_has_had_none(begin, act, clock, leaving):
    greedy = begin(browser=ANA)
    began = clock()
    for _ in range(5):
        clock.advance(minutes=2)
        act(sign_up.resend, greedy, language="fr")
    assert len([at for at in leaving() if at < began + HOUR]) == 4
    assert max(leaving()) == began + HOUR


@pytest.mark.slow
def test_a_browser_that_has_had_none_gets_the_kept_mail_at_once(begin, act, clock, leaving):
    greedy = begin(browser=ANA)
    for _ in range(3):
        clock.advance(minutes=2)
        act(sign_up.resend, greedy, language="fr")
    clock.advance(minutes=2)
    assert begin(browser=BRUNO).mail_at == clock()


@pytest.mark.slow
def test_after_ten_mails_in_a_day_a_new_browser_still_gets_one_within_the_hour(
    begin, clock, leaving
):
    for number in range(10):
        begin(browser=f"browser {number}")
        clock.advance(minutes=13)
    assert len(leaving()) == 10
    late = begin(browser="the owner")
    assert late.mail_at <= max(leaving()[:-1]) + HOUR
    assert late.mail_at <= clock() + HOUR


@pytest.mark.slow
def test_one_browser_that_has_had_its_mails_of_the_day_keeps_no_mail_from_another(
    begin, act, clock, post, leaving
):
    """It goes on asking: what it waits for is tomorrow's, and nobody else's."""
    greedy = begin(browser=ANA)
    post()
    while len(leaving()) <= 10:
        clock.advance(minutes=2)
        act(sign_up.resend, greedy, language="fr")
        post()
    assert max(leaving()) > clock() + HOUR
    clock.advance(minutes=61)
    assert begin(browser=BRUNO).mail_at == clock()


@pytest.mark.slow
def test_a_mail_that_waits_for_another_browsers_hour_delays_nobody(begin, act, clock, post):
    greedy = begin(browser=ANA)
    for _ in range(4):
        post()
        clock.advance(seconds=61)
        act(sign_up.resend, greedy, language="fr")
    assert begin(browser=BRUNO).mail_at == clock()


@pytest.mark.slow
def test_many_addresses_of_one_mailbox_share_what_is_kept_for_it(begin, clock, database):
    for number in range(40):
        address = EmailAddress.parse(f"camille+{number}@ac-rouen.example")
        begin(browser=f"browser {number}", address=address)
        clock.advance(minutes=2)
    with database.reading() as session:
        times = sorted(mail.goes_at for mail in mails.find_recent(session, limit=200))
    for at in times:
        assert len([t for t in times if at <= t < at + HOUR]) <= 6


@pytest.mark.slow
def test_a_request_stands_as_long_as_the_mail_it_waits_for(begin, clock, database):
    for number in range(40):
        address = EmailAddress.parse(f"camille+{number}@ac-rouen.example")
        late = begin(browser=f"browser {number}", address=address)
    assert late.mail_at > clock() + timedelta(hours=24)
    assert late.expires_at >= late.mail_at + HOUR


def test_a_sign_in_to_lists_waits_for_its_mail_too(database, clock):
    address = EmailAddress.parse("camille.durand@ac-rouen.example")
    asked = []
    for _ in range(7):
        with database.transaction() as session:
            asked.append(
                bulk_invite_sign_in.request_code(session, clock(), address=address, language="fr")
            )
        clock.advance(minutes=2)
    assert [each.mail_at for each in asked[:5]] == [each.created_at for each in asked[:5]]
    assert asked[5].mail_at == asked[6].mail_at == asked[0].created_at + HOUR
    assert asked[6].expires_at == asked[6].mail_at + bulk_invite_sign_in.LIFETIME
