"""Only the browser that asked, or who types the code, moves a request forward."""

import threading
from datetime import timedelta

from domain_rules.addresses import EmailAddress
from identity.storage import associations
from identity.storage.mails import Mail, MailState
from identity.storage.verification_requests import VerificationRequest
from identity.use_cases import sign_up
from identity.use_cases.codes import Result
from identity.use_cases.sign_up import Step
from tests.identity.use_cases.conftest import ANA, BRUNO, WRONG, reread, right_code


def test_an_open_address_is_mailed_a_code(start, sent, clock):
    request = start()
    assert (request.ordinal, request.address) == (1, "camille.durand@ac-rouen.example")
    assert sign_up.where(request, clock()) is Step.OPEN
    assert sent() == [("verify", "waiting")]


def test_a_repeated_start_resumes_and_mails_once(start, sent):
    assert start().id == start().id
    assert sent() == [("verify", "waiting")]


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
    start, act, tokens, clock, database
):
    request = start()
    answer = act(sign_up.type_code, request, right_code(tokens, request), tokens=tokens)
    assert answer.result is Result.RIGHT
    assert sign_up.where(reread(database, request), clock()) is Step.CONFIRMED
    again = act(sign_up.type_code, request, right_code(tokens, request), tokens=tokens)
    assert again.result is Result.OVER


def test_five_wrong_codes_lock_it_and_a_new_mail_brings_a_new_code(
    start, act, tokens, clock, database, rules
):
    request = start()
    answers = [act(sign_up.type_code, request, WRONG, tokens=tokens) for _ in range(5)]
    assert [answer.tries_left for answer in answers[:4]] == [4, 3, 2, 1]
    assert answers[4].result is Result.LOCKED
    assert answers[4].again_at == clock() + timedelta(minutes=1)
    old = right_code(tokens, request)
    assert act(sign_up.type_code, request, old, tokens=tokens).result is Result.LOCKED
    clock.advance(minutes=1)
    assert act(sign_up.resend, request, rules=rules, language="fr")
    renewed = reread(database, request)
    assert act(sign_up.type_code, request, old, tokens=tokens).result is Result.WRONG
    new = right_code(tokens, renewed)
    assert act(sign_up.type_code, request, new, tokens=tokens).result is Result.RIGHT


def test_fifty_threads_take_five_tries_between_them(start, act, tokens):
    request = start()
    results = []

    def guess():
        results.append(act(sign_up.type_code, request, WRONG, tokens=tokens).result)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Result.WRONG) == 4
    assert results.count(Result.LOCKED) == 16


def test_a_code_older_than_an_hour_is_replaced_by_a_new_mail(start, act, tokens, clock, sent):
    request = start()
    clock.advance(minutes=61)
    answer = act(sign_up.type_code, request, right_code(tokens, request), tokens=tokens)
    assert (answer.result, answer.mailed) == (Result.EXPIRED, True)
    assert sent() == [("verify", "waiting")] * 2


def test_a_mail_sent_again_carries_the_same_code(start, act, clock, database, rules):
    request = start()
    clock.advance(minutes=2)
    assert act(sign_up.resend, request, rules=rules, language="en")
    renewed = reread(database, request)
    assert (renewed.code_generation, renewed.language) == (request.code_generation, "en")


def test_mails_to_one_address_are_limited_over_all_browsers(start, clock, sent):
    for minute in range(12):
        start(browser=f"browser {minute}")
        clock.advance(minutes=2)
    assert len(sent()) == 5
    clock.advance(hours=24)
    start()
    assert len(sent()) == 6


def test_a_flood_from_many_browsers_at_once_mails_once(start, sent):
    threads = [threading.Thread(target=start, args=(f"browser {n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent() == [("verify", "waiting")]


def test_after_twenty_wrong_codes_a_day_none_is_accepted_but_the_link_still_is(
    start, act, tokens, clock, database, rules
):
    request = start()
    for _ in range(4):
        for _ in range(5):
            act(sign_up.type_code, request, WRONG, tokens=tokens)
        clock.advance(minutes=11)
        act(sign_up.resend, request, rules=rules, language="fr")
    renewed = reread(database, request)
    answer = act(sign_up.type_code, request, right_code(tokens, renewed), tokens=tokens)
    assert answer.result is Result.LOCKED
    assert act(sign_up.confirm_by_link, request)


def test_an_address_with_an_account_is_told_so_by_mail_and_no_code_is_right(
    start, act, sent, tokens, clock, database, camille
):
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    request = start()
    assert sent() == [("exists", "waiting")]
    answer = act(sign_up.type_code, request, right_code(tokens, request), tokens=tokens)
    assert (answer.result, answer.tries_left) == (Result.WRONG, 4)
    assert not act(sign_up.confirm_by_link, request)


def test_what_the_web_sees_of_a_request_does_not_tell_whether_an_account_exists(
    start, act, tokens, clock, database, camille, rules
):
    other = EmailAddress.parse("lea.petit@ac-rouen.example")
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    seen = []
    for address in (camille, other):
        request = start(browser=f"of {address}", address=address)
        story = [sign_up.where(request, clock())]
        story += [act(sign_up.type_code, request, WRONG, tokens=tokens) for _ in range(6)]
        story.append(act(sign_up.resend, request, rules=rules, language="fr"))
        with database.reading() as session:
            story.append(sign_up.again_at(session, clock(), request))
        seen.append(story)
    assert seen[0] == seen[1]


def test_already_have_an_account_is_mailed_three_times_a_day_at_most(
    start, sent, clock, database, camille
):
    with database.transaction() as session:
        associations.bind(session, clock(), address=camille.canonical, user_id="@camille:x.example")
    for _ in range(5):
        start()
        clock.advance(minutes=30)
    assert [state for _, state in sent()].count(MailState.WAITING) == 3
    assert [state for _, state in sent()].count(MailState.WITHHELD) == 2


def test_an_address_nobody_opened_is_told_that_no_invitation_waits_once_a_day(start, sent, clock):
    stranger = EmailAddress.parse("lea.petit@asso.example")
    start(address=stranger)
    clock.advance(hours=2)
    start(address=stranger)
    assert sent() == [("none", "waiting"), ("none", "withheld")]


def test_the_link_in_another_browser_opens_a_new_request_there_and_the_first_stands_still(
    start, act, tokens, clock, database
):
    request = start()
    answer, opened = act(
        sign_up.open_elsewhere,
        request,
        right_code(tokens, request),
        tokens=tokens,
        browser=BRUNO,
        language="fr",
    )
    assert answer.result is Result.RIGHT
    assert opened.browser == BRUNO
    assert sign_up.where(opened, clock()) is Step.CONFIRMED
    assert sign_up.where(reread(database, request), clock()) is Step.OPEN


def test_a_request_ends_after_a_day_and_a_proof_given_after_a_week(start, act, clock, database):
    request = start()
    assert act(sign_up.confirm_by_link, request)
    clock.advance(days=6)
    assert sign_up.where(reread(database, request), clock()) is Step.CONFIRMED
    clock.advance(days=1)
    assert sign_up.where(reread(database, request), clock()) is Step.EXPIRED
    late = start(browser=BRUNO)
    clock.advance(hours=24)
    assert not act(sign_up.confirm_by_link, late)


def test_a_renewed_cookie_keeps_the_requests_of_the_browser(start, database):
    start()
    with database.transaction() as session:
        sign_up.rotate_browser(session, old=ANA, new="renewed")
        assert sign_up.find(session, browser="renewed", ordinal=1) is not None
        assert sign_up.find(session, browser=ANA, ordinal=1) is None


def test_no_code_is_stored_anywhere(start, tokens, database):
    request = start()
    code = right_code(tokens, request)
    with database.reading() as session:
        for table in (VerificationRequest, Mail):
            for row in session.query(table):
                values = [getattr(row, column.key) for column in table.__table__.columns]
                assert code not in map(str, values)
