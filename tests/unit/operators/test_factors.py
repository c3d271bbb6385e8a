"""A code of the app is taken once, a recovery code is used up, and guessing locks the factor."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest

from identity.operators import factors, links, models as operators, sessions
from identity.operators.factors import Answer
from identity.operators.models import LinkKind
from tests.worlds.operators import *


@pytest.fixture
def try_code(services, clock):
    def try_code(operator, typed):
        with services.database.transaction() as session:
            found = operators.find(session, operator.id)
            return factors.try_code(session, services.vault, clock(), found, typed)

    return try_code


def test_the_code_of_the_app_is_right_once(ada, apps, try_code, clock):
    apps.enrol(ada)
    assert try_code(ada, apps.code(ada)).answer is Answer.WRONG  # it enrolled with it
    clock.advance(seconds=30)
    code = apps.code(ada)
    assert try_code(ada, code).answer is Answer.RIGHT
    assert try_code(ada, code).answer is Answer.WRONG
    clock.advance(seconds=30)
    assert try_code(ada, f" {apps.code(ada)[:3]} {apps.code(ada)[3:]}").is_right


def test_an_older_code_is_not_right_after_a_newer_one(ada, apps, try_code, clock):
    apps.enrol(ada)
    clock.advance(seconds=60)
    older = apps.code(ada)
    clock.advance(seconds=30)
    assert try_code(ada, apps.code(ada)).is_right
    assert try_code(ada, older).answer is Answer.WRONG


def test_a_recovery_code_works_once(ada, apps, try_code):
    first, second, *others = apps.enrol(ada)
    assert len(others) == 8
    assert try_code(ada, first.upper()).answer is Answer.RECOVERED
    assert try_code(ada, first).answer is Answer.WRONG
    assert try_code(ada, second.replace("-", " ")).left == 8


def test_five_wrong_codes_lock_it_longer_each_time(ada, apps, try_code, clock):
    apps.enrol(ada)
    assert [try_code(ada, "000000").left for _ in range(4)] == [4, 3, 2, 1]
    locked = try_code(ada, "000000")
    assert locked.locked_until == clock() + timedelta(minutes=15)
    clock.advance(minutes=14)
    assert try_code(ada, apps.code(ada)).answer is Answer.LOCKED
    clock.advance(minutes=2)
    again = [try_code(ada, "000000") for _ in range(5)][-1]
    assert again.locked_until == clock() + timedelta(minutes=30)
    clock.advance(minutes=31)
    assert try_code(ada, apps.code(ada)).is_right
    clock.advance(minutes=1)
    anew = [try_code(ada, "000000") for _ in range(5)][-1]
    assert anew.locked_until == clock() + timedelta(minutes=15)


def test_what_is_no_code_does_not_count(ada, apps, try_code):
    apps.enrol(ada)
    assert {try_code(ada, typed).answer for typed in ("", "12345", "hello", "9" * 400)} == {
        Answer.UNREADABLE
    }
    assert try_code(ada, "000000").left == 4


def test_a_code_of_somebody_else_is_wrong(ada, ines, apps, try_code, clock):
    apps.enrol(ada)
    codes = apps.enrol(ines)
    clock.advance(seconds=30)
    assert try_code(ada, apps.code(ines)).answer is Answer.WRONG
    assert try_code(ada, codes[0]).answer is Answer.WRONG


def test_after_weeks_of_guessing_the_fifth_wrong_code_still_locks_it(ada, apps, services, clock):
    apps.enrol(ada)
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        found.locks, found.wrong_factors = 40, 4
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        tried = factors.try_code(session, services.vault, clock(), found, "000000")
    assert (tried.answer, tried.locked_until) == (Answer.LOCKED, clock() + timedelta(hours=24))


def test_a_secret_that_another_browser_was_shown_before_is_worth_nothing(ada, services, clock):
    thief, hers = uuid.uuid4(), uuid.uuid4()

    def begin(session, at):
        return factors.begin_enrolment(session, services.vault, clock(), ada.id, session_id=at)

    def confirm(session, at, secret):
        code, found = pyotp.TOTP(secret).at(clock()), operators.find(session, ada.id)
        return factors.confirm_enrolment(
            session, services.vault, clock(), found, code, session_id=at
        )

    with services.database.transaction() as session:
        seen_by_thief, again = begin(session, thief), begin(session, thief)
        shown_to_her = begin(session, hers)
        assert (again == seen_by_thief, shown_to_her == seen_by_thief) == (True, False)
        tried, codes = confirm(session, thief, seen_by_thief)
        assert (tried.answer, codes) == (Answer.OTHER_APP, [])
        assert confirm(session, hers, seen_by_thief)[0].answer is Answer.WRONG
        tried, codes = confirm(session, hers, shown_to_her)
        assert (tried.answer, len(codes)) == (Answer.RIGHT, 10)
        assert begin(session, thief) is None  # a confirmed one is shown to nobody


def test_a_recovery_code_adds_no_app(ada, services, clock):
    with services.database.transaction() as session:
        [code, *_] = factors.new_recovery_codes(session, clock(), ada.id)
        factors.begin_enrolment(session, services.vault, clock(), ada.id)
        found = operators.find(session, ada.id)
        _, codes = factors.confirm_enrolment(session, services.vault, clock(), found, code)
        assert (codes, factors.has_factor(session, ada.id)) == ([], False)


def test_a_form_with_a_code_may_arrive_twice_in_one_session(ada, apps, services, clock):
    apps.enrol(ada)
    clock.advance(seconds=30)
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        tokens = [sessions.open_session(session, clock(), found) for _ in range(2)]
        here, elsewhere = (sessions.find(session, clock(), each).session_id for each in tokens)
    answers = []
    for at in (here, here, elsewhere):
        with services.database.transaction() as session:
            found = operators.find(session, ada.id)
            tried = factors.prove(
                session, services.vault, clock(), found, apps.code(ada), session_id=at
            )
            answers.append(tried.answer)
    assert answers == [Answer.RIGHT, Answer.RIGHT, Answer.WRONG]


def test_of_many_codes_at_once_each_counts_and_a_right_one_is_taken_once(
    ada, apps, try_code, services, clock
):
    apps.enrol(ada)
    clock.advance(seconds=30)
    with ThreadPoolExecutor(4) as threads:
        right = list(threads.map(lambda _: try_code(ada, apps.code(ada)).answer, range(4)))
    assert sorted(right) == [Answer.RIGHT] + [Answer.WRONG] * 3
    with services.database.transaction() as session:
        factors.unlock(operators.find(session, ada.id))
    with ThreadPoolExecutor(4) as threads:
        wrong = list(threads.map(lambda _: try_code(ada, "000000").answer, range(8)))
    assert sorted(wrong) == [Answer.LOCKED] * 4 + [Answer.WRONG] * 4


def test_of_two_who_press_the_button_of_a_link_at_once_one_is_let_in(ada, services, clock):
    with services.database.transaction() as session:
        token = links.issue(session, clock(), ada.id, LinkKind.SIGN_IN)

    def press(_):
        with services.database.transaction() as session:
            return links.use(session, clock(), token, LinkKind.SIGN_IN) is not None

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(press, range(4))) == [False, False, False, True]
