"""A code belongs to an address and a purpose, comes to life with its mail, and confirms one browser."""

import threading
from datetime import timedelta

import pytest
from pydantic import SecretStr

from identity.core.one_time_codes import limits, models as store, service as one_time_codes
from identity.core.one_time_codes.limits import CallerNetworks
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import LIFETIMES, Result, TypedCode
from identity.core.tokens import Tokens, UnknownCodeKey
from tests.worlds.cleaning import cleaned
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import WRONG

OLD, NEW = SecretStr("a key for the tests, long enough"), SecretStr("another key, long enough too")
GIL = "gil@association.example"
A, B = "browser a", "browser b"


@pytest.fixture
def carry(database, tokens, clock):
    """A mail leaves; what stands in it."""

    def carry(purpose=Purpose.SIGN_UP, subject=GIL, *, keys=tokens, told=True):
        with database.transaction() as session:
            code = one_time_codes.issue_for_mail(
                session, keys, clock(), purpose, subject, in_mail=told
            )
            return one_time_codes.digits_of(keys, code) if told else None

    return carry


@pytest.fixture
def spend(database, tokens, clock):
    """The whole answer to a code."""

    def spend(code, purpose=Purpose.SIGN_UP, *, keys=tokens, **typed):
        with database.transaction() as session:
            facts = TypedCode(code, **typed)
            return one_time_codes.spend(session, keys, clock(), purpose, facts, address=GIL)

    return spend


def test_every_mail_of_a_purpose_carries_the_same_code_and_lengthens_its_life(carry, spend, clock):
    first = carry()
    clock.advance(minutes=50)
    assert carry() == first
    clock.advance(minutes=50)
    assert spend(first).result is Result.RIGHT


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_code_is_right_for_its_purpose_alone(carry, spend, purpose):
    mailed = {each: carry(each) for each in Purpose}
    assert len(set(mailed.values())) == len(Purpose)
    others = [code for other, code in mailed.items() if other is not purpose]
    for code in [*others[: limits.MAX_TRIES - 1], mailed[purpose]]:
        expected = Result.RIGHT if code == mailed[purpose] else Result.WRONG
        assert spend(code, purpose).result is expected


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_code_ends_with_its_life_and_says_when(carry, spend, clock, purpose):
    code = carry(purpose)
    ends_at = clock() + LIFETIMES[purpose]
    clock.time = ends_at
    answer = spend(code, purpose, held=True)
    assert (answer.result, answer.ended_at) == (Result.OVER, ends_at)
    assert carry(purpose) != code


def test_before_a_mail_has_left_there_is_nothing_to_try(spend):
    answer = spend(WRONG)
    assert (answer.result, answer.ended_at) == (Result.OVER, None)


@pytest.mark.parametrize("held", [True, False])
def test_a_code_that_no_mail_carried_is_never_right(carry, spend, database, tokens, held):
    carry(told=False)
    with database.reading() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, GIL)
    assert code.key_id is None
    with pytest.raises(LookupError):
        one_time_codes.digits_of(tokens, code)
    would_be = tokens.code(code.purpose, code.subject, code.generation, digits=code.digits)
    assert spend(would_be, held=held).result is Result.WRONG


def test_what_no_mail_carried_is_right_once_a_mail_carries_it(carry, spend):
    carry(told=False)
    assert spend(carry()).result is Result.RIGHT


def test_a_code_confirms_one_browser_as_often_as_it_types_it(carry, spend):
    code = carry()
    assert [spend(code, browser=each).result for each in (A, A)] == [Result.RIGHT] * 2
    answer = spend(code, browser=B)
    assert (answer.result, answer.is_used) == (Result.OVER, True)
    assert spend(code, browser=B, held=True).is_used
    assert spend(code).result is Result.RIGHT  # what confirms nobody: “not me”, and its undoing
    renewed = carry()
    assert renewed != code
    assert spend(renewed, browser=B).result is Result.RIGHT


@pytest.mark.slow
@pytest.mark.faults
def test_of_many_browsers_at_once_one_is_confirmed(carry, spend, record_fault):
    code, results = carry(), []

    def type_it(browser):
        results.append(spend(code, browser=browser).result)

    threads = [threading.Thread(target=type_it, args=(f"browser {n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Result.RIGHT) == 1
    record_fault(
        "clients: 12 browsers use one code at once",
        tried=1,
        survived=1,
        said="one is confirmed, 11 are told",
    )


@pytest.mark.slow
@pytest.mark.parametrize("held", [True, False])
def test_many_at_once_have_five_tries_between_them(carry, spend, database, held):
    results = []
    carry()

    def guess():
        results.append(spend(WRONG, held=held).result)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results.count(Result.WRONG), results.count(Result.OFF)) == (4, 16)
    with database.reading() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, GIL)
    assert (code.wrong, code.wrong_held) == ((0, 5) if held else (5, 0))


@pytest.mark.slow
def test_tries_with_the_link_and_without_it_do_not_touch_each_other(carry, spend):
    code = carry()
    for _ in range(6):
        spend(WRONG)
    assert spend(code).result is Result.OFF
    assert [spend(WRONG, held=True).tries_left for _ in range(2)] == [4, 3]
    assert spend(code, held=True).result is Result.RIGHT


def test_that_a_code_was_used_does_not_show_in_the_tries_of_others(carry, spend):
    used = carry()
    seen = [spend(WRONG, browser=B).tries_left]
    spend(used, browser=A)
    seen.append(spend(WRONG, browser=B).tries_left)
    carry()
    seen.append(spend(WRONG, browser=B).tries_left)
    assert seen == [4, 3, 2]


def test_only_the_key_that_made_the_code_is_tried(carry, spend, database):
    before, both, after = Tokens([OLD]), Tokens([OLD, NEW]), Tokens([NEW])
    code = carry(keys=before)
    assert carry(keys=both) == code  # a second mail, after the new key came
    with database.reading() as session:
        row = store.find_newest(session, Purpose.SIGN_UP, GIL)
    of_the_other = both.code(row.purpose, row.subject, row.generation, digits=row.digits)
    assert of_the_other != code
    assert spend(of_the_other, keys=both).result is Result.WRONG
    assert spend(code, keys=both).result is Result.RIGHT
    assert spend(code, keys=after).result is Result.WRONG
    with pytest.raises(UnknownCodeKey):
        one_time_codes.digits_of(after, row)
    assert spend(carry(keys=after), keys=after).result is Result.RIGHT


def test_no_generation_comes_twice_though_rows_are_forgotten(carry, database, clock):
    first = carry()
    clock.advance(days=10)
    with database.transaction() as session:
        assert cleaned(session, clock())["codes and wrong tries"] == 1
        assert store.find_newest(session, Purpose.SIGN_UP, GIL) is None
    assert carry() != first


def test_wrong_tries_are_forgotten_after_a_day(carry, spend, database, clock):
    carry()
    spend(WRONG)
    clock.advance(hours=24, seconds=1)
    with database.transaction() as session:
        cleaned(session, clock())
        assert session.query(store.WrongTry).count() == 0


def test_a_code_of_any_link_key_that_is_still_there_is_right(carry, spend):
    """Three keys, and the code was made with the middle one."""
    newest = SecretStr("a third key for the tests, long enough")
    code = carry(keys=Tokens([OLD, NEW]))
    assert spend(code, keys=Tokens([OLD, NEW, newest])).result is Result.RIGHT
    assert spend(code, keys=Tokens([NEW, newest])).result is Result.RIGHT
    assert spend(code, keys=Tokens([OLD, newest])).result is not Result.RIGHT


@pytest.mark.slow
def test_a_wrong_code_counts_for_its_network_for_an_hour_to_the_second(carry, database, clock):
    carry()
    networks = CallerNetworks(near="a /24")
    began = clock()

    def is_exhausted(at):
        with database.reading() as session:
            code = store.find_newest(session, Purpose.SIGN_UP, GIL)
            return limits.is_exhausted(session, at, code, address="", networks=networks)

    with database.transaction() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, GIL)
        for _ in range(limits.MAX_TRIES_NEAR):
            limits.record_wrong_try(session, began, code, networks=networks)
    assert is_exhausted(began + limits.HOUR - timedelta(seconds=1))
    assert not is_exhausted(began + limits.HOUR)


@pytest.mark.parametrize("held", [False, True])
def test_as_many_tries_are_taken_as_are_allowed_and_none_more(carry, database, held):
    carry()
    with database.transaction() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, GIL)
        taken = [store.take_try(session, code, held=held, allowed=2) for _ in range(4)]
    assert taken == [1, 0, None, None]


def test_a_wrong_code_counts_for_the_address_unless_the_browser_is_known(
    carry, spend, database, clock
):
    def count():
        with database.reading() as session:
            return store.count_wrong(session, clock() - limits.HOUR, address=GIL)

    carry()
    assert count() == 0
    spend(WRONG, known=True)
    assert count() == 0
    spend(WRONG)
    assert count() == 1


def test_the_alarm_is_logged_when_it_begins_and_not_at_every_try(carry, database, clock, caplog):
    carry()
    with database.transaction() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, GIL)
        for _ in range(limits.ALARM_THRESHOLD + 3):
            limits.record_wrong_try(session, clock(), code)
        assert limits.is_attacked(session, clock(), Purpose.SIGN_UP)
        assert not limits.is_attacked(session, clock(), Purpose.INVITATION)
    assert len([line for line in caplog.messages if "codes are being guessed" in line]) == 1
