"""A code of the app is taken once, a recovery code is used up, and guessing locks the factor."""

from datetime import timedelta

import pytest

from identity.operators import factors, models as operators
from identity.operators.factors import Answer
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
