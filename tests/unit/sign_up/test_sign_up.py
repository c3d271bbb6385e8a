"""Only the browser that asked, or who types the code, moves a request forward."""

import threading
from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes import models as store
from identity.core.one_time_codes.models import OneTimeCode, Purpose
from identity.core.one_time_codes.service import Result
from identity.mail import models as mails
from identity.mail.kinds import Fate, MailTurn
from identity.mail.models import Mail, MailState
from identity.sign_up import models as verification_requests, service as sign_up, visibility
from identity.sign_up.mails import decide
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.threepids import associations
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO, WRONG, reread, right_code


def turn_of(services, session, mail):
    return MailTurn(
        session=session,
        mail=mail,
        now=services.now(),
        settings=services.settings,
        rules=services.rules.current(),
        tokens=services.tokens,
        vault=services.vault,
        hashes=services.hashes,
    )


def test_an_open_address_is_mailed_a_code(start, sent, clock):
    request = start()
    assert (request.ordinal, request.address) == (1, "camille.durand@ac-rouen.example")
    assert visibility.step_of(request, clock()) is Step.OPEN
    assert sent() == [("verify", "waiting")]


def test_a_repeated_start_resumes_and_mails_once(start, sent):
    assert start().id == start().id
    assert sent() == [("verify", "waiting")]


@pytest.mark.slow
def test_a_double_click_makes_one_request_and_one_mail(start, sent, database):
    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent() == [("verify", "waiting")]


def test_two_addresses_of_one_browser_stand_side_by_side(start):
    other = EmailAddress.parse("lea.petit@ac-rouen.example")
    assert [start().ordinal, start(address=other).ordinal, start(browser=BRUNO).ordinal] == [
        1,
        2,
        1,
    ]


def test_the_right_code_confirms_once_and_again_changes_nothing(
    begin, act, tokens, clock, database
):
    request = begin()
    code = right_code(database, tokens, request)
    assert act(sign_up.try_code, request, code, tokens=tokens).result is Result.RIGHT
    assert visibility.step_of(reread(database, request), clock()) is Step.CONFIRMED
    assert act(sign_up.try_code, request, code, tokens=tokens).result is Result.OVER


@pytest.mark.slow
def test_five_wrong_codes_end_it_and_a_new_mail_brings_a_new_code(
    begin, act, tokens, clock, database, post
):
    request = begin()
    answers = [act(sign_up.try_code, request, WRONG, tokens=tokens) for _ in range(5)]
    assert [answer.tries_left for answer in answers[:4]] == [4, 3, 2, 1]
    assert answers[4].result is Result.OFF
    old = right_code(database, tokens, request)
    assert act(sign_up.try_code, request, old, tokens=tokens).result is Result.OFF
    clock.advance(minutes=1)
    assert act(sign_up.resend, request, language="fr")
    post()
    assert act(sign_up.try_code, request, old, tokens=tokens).result is Result.WRONG
    new = right_code(database, tokens, request)
    assert act(sign_up.try_code, request, new, tokens=tokens).result is Result.RIGHT


def test_a_code_older_than_an_hour_is_replaced_by_a_new_mail(
    begin, act, tokens, clock, sent, database
):
    request = begin()
    clock.advance(minutes=61)
    old = right_code(database, tokens, request)
    answer = act(sign_up.try_code, request, old, tokens=tokens)
    assert (answer.result, answer.ended_at) == (Result.OVER, clock() - timedelta(minutes=1))
    assert answer.mail_at == clock()
    assert sent() == [("verify", "handed"), ("verify", "waiting")]


@pytest.mark.slow
def test_a_mail_sent_again_carries_the_same_code(begin, act, tokens, clock, database, post):
    request = begin()
    first = right_code(database, tokens, request)
    clock.advance(minutes=2)
    assert act(sign_up.resend, request, language="en")
    post()
    assert right_code(database, tokens, request) == first
    assert reread(database, request).language == "en"


@pytest.mark.slow
def test_mails_to_one_address_are_limited_over_all_browsers(start, clock, sent):
    for minute in range(12):
        start(browser=f"browser {minute}")
        clock.advance(minutes=2)
    assert len(sent()) == 6  # five have left, one waits for all who asked since
    clock.advance(hours=24)
    start()
    assert len(sent()) == 7


@pytest.mark.slow
def test_a_flood_from_many_browsers_at_once_mails_once(start, sent):
    threads = [threading.Thread(target=start, args=(f"browser {n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent() == [("verify", "waiting")]


def test_an_address_with_an_account_is_told_so_by_mail_and_no_code_is_right(
    begin, act, sent, tokens, clock, database, camille
):
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    request = begin()
    assert sent() == [("exists", "handed")]
    with database.reading() as session:
        assert store.find_newest(session, Purpose.SIGN_UP, request.address).key_id is None
    answer = act(sign_up.try_code, request, WRONG, tokens=tokens)
    assert (answer.result, answer.tries_left) == (Result.WRONG, 4)


@pytest.mark.slow
def test_what_the_web_sees_of_a_request_does_not_tell_whether_an_account_exists(
    begin, act, tokens, clock, database, camille
):
    other = EmailAddress.parse("lea.petit@ac-rouen.example")
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    seen = []
    for address in (camille, other):
        request = begin(browser=f"of {address}", address=address)
        story = [visibility.step_of(request, clock())]
        story += [act(sign_up.try_code, request, WRONG, tokens=tokens) for _ in range(6)]
        story.append(act(sign_up.resend, request, language="fr"))
        story.append(reread(database, request).mail_at)
        seen.append(story)
    assert seen[0] == seen[1]


@pytest.mark.slow
def test_already_have_an_account_is_mailed_three_times_a_day_at_most(
    begin, sent, clock, database, camille
):
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    for _ in range(5):
        begin()
        clock.advance(minutes=30)
    assert [state for _, state in sent()].count(MailState.HANDED) == 3
    assert [state for _, state in sent()].count(MailState.WITHHELD) == 2


def test_an_address_nobody_opened_is_told_that_no_invitation_waits_once_a_day(begin, sent, clock):
    stranger = EmailAddress.parse("lea.petit@asso.example")
    begin(address=stranger)
    clock.advance(hours=2)
    begin(address=stranger)
    assert sent() == [("none", "handed"), ("none", "withheld")]


def test_the_link_in_another_browser_opens_a_new_request_there_and_the_first_stands_still(
    begin, act, tokens, clock, database
):
    request = begin()
    answer, opened = act(
        sign_up.open_elsewhere,
        request,
        right_code(database, tokens, request),
        tokens=tokens,
        browser=BRUNO,
        language="fr",
    )
    assert answer.result is Result.RIGHT
    assert opened.browser == BRUNO
    assert visibility.step_of(opened, clock()) is Step.CONFIRMED
    assert visibility.step_of(reread(database, request), clock()) is Step.OPEN


def test_a_request_ends_after_a_day_and_a_proof_given_after_a_week(start, act, clock, database):
    request = start()
    assert act(sign_up.confirm_by_link, request)
    clock.advance(days=6)
    assert visibility.step_of(reread(database, request), clock()) is Step.CONFIRMED
    clock.advance(days=1)
    assert visibility.step_of(reread(database, request), clock()) is Step.EXPIRED
    late = start(browser=BRUNO)
    clock.advance(hours=24)
    assert not act(sign_up.confirm_by_link, late)


def test_a_renewed_cookie_keeps_the_requests_of_the_browser(start, database):
    start()
    with database.transaction() as session:
        sign_up.rotate_browser(session, old=ANA, new="renewed")
        assert verification_requests.find(session, browser="renewed", ordinal=1) is not None
        assert verification_requests.find(session, browser=ANA, ordinal=1) is None


def test_no_code_is_stored_anywhere(begin, tokens, database):
    code = right_code(database, tokens, begin())
    with database.reading() as session:
        for table in (VerificationRequest, Mail, OneTimeCode):
            for row in session.query(table):
                values = [getattr(row, column.key) for column in table.__table__.columns]
                assert code not in map(str, values)


def test_the_mail_of_a_request_that_expired_serves_another_that_waits_or_nobody(
    start, services, database, clock
):
    """It waited for longer than its request stood."""
    first = start(browser=ANA)
    with database.transaction() as session:
        mail = mails.find_recent(session)[0]
        session.get(VerificationRequest, first.id).expires_at = clock()
        assert decide(turn_of(services, session, mail)) is Fate.DROPPED
    second = start(browser=BRUNO)
    with database.transaction() as session:
        mail = session.get(Mail, mail.id)
        assert decide(turn_of(services, session, mail)) is Fate.SENT
        assert mail.subject_id == second.id
