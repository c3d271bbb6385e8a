"""Validation sessions, as far as they are decided below HTTP."""

from threading import Thread

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core.database import Database
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import Result
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.threepids import validation
from identity.threepids.validation import Wanted
from identity.threepids.validation_sessions import ValidationSession
from tests.worlds import codes
from tests.worlds.cleaning import cleaned
from tests.worlds.sign_ups import *
from workers import tasks

SECRET = "monkeys_are_GREAT"
CAMILLE = "@camille:education.example"


@pytest.fixture
def ask(database, services, clock):
    """`ask(send_attempt=2)`: what a client's requestToken does."""

    def ask(address="camille.durand@ac-rouen.example", secret=SECRET, on=database, **facts):
        wanted = Wanted(
            address=EmailAddress.parse(address),
            client_secret=secret,
            **{"send_attempt": 1, "user_id": CAMILLE, "device": "", "language": "fr"} | facts,
        )
        with on.transaction() as session:
            return validation.request_validation(session, services.vault, clock(), wanted)

    return ask


@pytest.fixture
def type_code(database, tokens, clock):
    def type_code(asked, code):
        with database.transaction() as session:
            row = session.get_one(ValidationSession, asked.id)
            return validation.try_code(session, tokens, clock(), row, code)

    return type_code


@pytest.fixture
def validated(database, clock):
    def validated(asked, secret=SECRET, sid=None):
        with database.reading() as session:
            return validation.find_validated(
                session, clock(), sid=sid or asked.sid, client_secret=secret
            )

    return validated


@pytest.fixture
def mailed(database):
    def mailed():
        with database.reading() as session:
            return [mail.address for mail in mails.find_recent(session)]

    return mailed


@pytest.fixture
def code_of(database, tokens, services):
    """What stands in the newest mail of a session, once it has left."""

    def code_of(asked):
        tasks.run_lane(services, Lane.URGENT)
        with database.reading() as session:
            return codes.mailed(session, tokens, Purpose.CLIENT, asked.sid)

    return code_of


@pytest.fixture
def wrong(code_of):
    return lambda asked: codes.wrong(code_of(asked))


@pytest.mark.parametrize("secret", ["", "x" * 256, "a b", "a/b", "é", "abc\n"])
def test_a_client_secret_of_other_characters_is_refused(secret):
    with pytest.raises(problems.WrongParameter):
        validation.check_secret(secret)


@pytest.mark.parametrize("secret", ["x", "x" * 255, "aZ09.=_-"])
def test_a_client_secret_as_specified_is_taken(secret):
    assert validation.check_secret(secret) == secret


def test_a_sid_is_a_string_of_the_specified_characters(ask):
    assert validation.SECRET.fullmatch(ask().sid)


def test_the_same_attempt_again_is_the_same_session_without_a_mail(ask, mailed, clock):
    first = ask(send_attempt=3)
    clock.advance(minutes=2)
    assert {ask(send_attempt=3).sid, ask(send_attempt=2).sid} == {first.sid}
    assert len(mailed()) == 1


@pytest.mark.slow
def test_a_higher_attempt_mails_again_and_the_code_of_the_first_mail_stays_good(
    ask, mailed, clock, code_of, type_code
):
    first = ask()
    clock.advance(minutes=2)
    again = ask(send_attempt=2)
    assert again.sid == first.sid
    assert len(mailed()) == 2
    assert type_code(again, code_of(first)).result is Result.RIGHT


@pytest.mark.slow
def test_after_five_wrong_tries_only_a_higher_attempt_brings_a_new_code(
    ask, clock, code_of, wrong, type_code
):
    first = ask()
    old = code_of(first)
    answers = [type_code(first, wrong(first)) for _ in range(5)]
    assert [a.result for a in answers] == [Result.WRONG] * 4 + [Result.OFF]
    assert type_code(first, old).result is Result.OFF
    clock.advance(minutes=2)
    again = ask(send_attempt=2)
    assert code_of(again) != old
    assert type_code(again, code_of(again)).result is Result.RIGHT


def test_another_address_under_the_same_secret_is_another_session(ask, mailed):
    one, other = ask(send_attempt=7), ask("zoe.martin@ac-rouen.example", send_attempt=1)
    assert one.sid != other.sid
    assert len(mailed()) == 2


def test_attempts_are_compared_as_numbers(ask, mailed, clock):
    ask(send_attempt=9)
    clock.advance(minutes=2)
    ask(send_attempt=10)
    assert len(mailed()) == 2


def test_an_address_is_one_however_it_is_written(ask, mailed):
    assert ask("Camille.Durand@AC-ROUEN.example").sid == ask().sid
    assert mailed() == ["camille.durand@ac-rouen.example"]


@pytest.mark.slow
def test_a_right_code_may_be_handed_in_again(ask, code_of, type_code, validated, clock):
    asked = ask()
    assert type_code(asked, code_of(asked)).result is Result.RIGHT
    _, first = validated(asked)
    clock.advance(hours=2)
    assert type_code(asked, code_of(asked)).result is Result.RIGHT
    _, second = validated(asked)
    assert second == first


def test_a_code_that_comes_after_a_day_is_too_late(ask, code_of, type_code, clock):
    asked = ask()
    code = code_of(asked)
    clock.advance(hours=24)
    assert type_code(asked, code).result is Result.OVER


def test_a_proof_may_come_within_a_day_and_be_used_within_another(
    ask, code_of, type_code, validated, clock
):
    asked = ask()
    clock.advance(hours=23, minutes=59)
    assert type_code(asked, code_of(asked)).result is Result.RIGHT
    clock.advance(hours=23, minutes=59)
    assert validated(asked)[0].address == "camille.durand@ac-rouen.example"
    clock.advance(minutes=1)
    with pytest.raises(problems.SessionExpired):
        validated(asked)


def test_asking_again_lengthens_nothing(ask, clock, code_of, type_code):
    asked = ask()
    clock.advance(hours=23)
    assert ask(send_attempt=2).sid == asked.sid
    code = code_of(asked)
    clock.advance(hours=1)
    assert type_code(asked, code).result is Result.OVER
    assert ask(send_attempt=3).sid != asked.sid


def test_what_is_not_proved_says_so_and_what_is_unknown_says_nothing(ask, validated):
    asked = ask()
    with pytest.raises(problems.SessionNotValidated):
        validated(asked)
    for sid, secret in ((asked.sid, "other"), ("0" * 32, SECRET), ("x y", SECRET)):
        with pytest.raises(problems.NoValidSession):
            validated(asked, sid=sid, secret=secret)


def test_a_further_mail_to_an_address_has_its_time(ask, mailed):
    ask()
    with pytest.raises(problems.TooManyMails) as refused:
        ask(send_attempt=2)
    assert refused.value.retry_after == 60
    assert len(mailed()) == 1


@pytest.mark.slow
def test_one_account_asks_for_thirty_addresses_a_day(ask, clock):
    for number in range(30):
        ask(f"a{number}@ac-rouen.example")
    clock.advance(hours=23)
    with pytest.raises(problems.TooManyMails) as refused:
        ask("another@ac-rouen.example")
    assert refused.value.retry_after == 3600
    ask("another@ac-rouen.example", user_id="@zoe:education.example")
    ask("a1@ac-rouen.example", send_attempt=2)


def test_without_limits_nobody_waits(database, ask, mailed):
    freely = Database(database.engine, limited=False)
    ask(on=freely)
    ask(on=freely, send_attempt=2)
    assert len(mailed()) == 2


@pytest.mark.slow
def test_with_sid_and_secret_there_is_no_other_limit_than_five_tries_a_code(
    ask, clock, code_of, wrong, type_code
):
    for attempt in range(1, 8):
        asked = ask(send_attempt=attempt)
        for _ in range(5):
            type_code(asked, wrong(asked))
        clock.advance(minutes=20)
    asked = ask(send_attempt=9)
    assert type_code(asked, code_of(asked)).result is Result.RIGHT


def test_a_code_whose_mail_has_not_left_is_not_right_and_no_try(ask, type_code):
    asked = ask()
    assert [type_code(asked, "12345678").result for _ in range(7)] == [Result.WRONG] * 7


@pytest.mark.slow
def test_twenty_at_once_have_five_tries_between_them(ask, wrong, type_code):
    asked = ask()
    answers, no_code = [], wrong(asked)
    threads = [
        Thread(target=lambda: answers.append(type_code(asked, no_code).result)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(Result.WRONG) == 4
    assert answers.count(Result.OFF) == 16


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://app.element.io@evil.example/",
        "https://app.element.io\\@evil.example/",
        "//app.element.io/",
        "https://app.element.io.evil.example/",
        "https://[app.element.io/",
        "https://app.element.io/ \r\nSet-Cookie: a=b",
        "https://app.element.io/" + "x" * 2000,
        "",
    ],
)
def test_a_next_link_leads_to_known_hosts_only(services, link):
    with services.database.reading() as session, pytest.raises(problems.WrongParameter):
        validation.check_next_link(session, link, hosts={"app.element.io"})


@pytest.mark.parametrize(
    ("link", "onward"),
    [
        ("https://app.element.io/done", "https://app.element.io/done?sid={sid}"),
        ("https://app.element.io/?a=b#/room", "https://app.element.io/?a=b&sid={sid}#/room"),
    ],
)
def test_the_next_link_gets_the_sid(services, ask, link, onward):
    with services.database.reading() as session:
        validation.check_next_link(session, link, hosts={"app.element.io"})
    asked = ask(next_link=link)
    assert validation.next_url_of(asked) == onward.format(sid=asked.sid)


def test_a_session_is_forgotten_after_a_week(ask, database, clock):
    ask()
    clock.advance(days=7)
    with database.transaction() as session:
        assert cleaned(session, clock())["validation sessions"] == 0
    clock.advance(minutes=1)
    with database.transaction() as session:
        assert cleaned(session, clock())["validation sessions"] == 1
