"""Codes can be neither guessed nor locked: who guesses makes them longer, who holds a mail is never refused."""

import logging
from datetime import timedelta
from ipaddress import ip_network

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.database import Database, make_engine
from identity.core.one_time_codes import (
    limits as code_limits,
    models as store,
    service as one_time_codes,
)
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import Result, TypedCode
from identity.mail import models as mails
from identity.sign_up import service as sign_up
from tests.worlds import codes
from tests.worlds.guessers import Guesser
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO, WRONG, reread, right_code

HOME = "198.51.100.7"


@pytest.fixture
def guesser(sqlite_url, tokens, hashes, clock):
    database = Database(make_engine(sqlite_url))
    yield Guesser(database, tokens, hashes, clock)
    database.engine.dispose()


@pytest.fixture
def place(database, hashes):
    """Where somebody types, by their address."""

    def place(ip, shared=()):
        with database.transaction() as session:
            return code_limits.networks_of_caller(session, hashes, ip, shared)

    return place


@pytest.fixture
def carried(database, tokens, clock):
    """An address whose mail just left."""

    def carried(address, purpose=Purpose.SIGN_UP):
        with database.transaction() as session:
            one_time_codes.issue_for_mail(session, tokens, clock(), purpose, address)
        return address

    return carried


@pytest.fixture
def typed(database, tokens, clock):
    """What becomes of a code; without one, the right one."""

    def typed(address, code=None, purpose=Purpose.SIGN_UP, **facts):
        with database.transaction() as session:
            code = code or codes.mailed(session, tokens, purpose, address)
            return one_time_codes.spend(
                session, tokens, clock(), purpose, TypedCode(code, **facts), address=address
            ).result

    return typed


@pytest.mark.slow
def test_a_network_has_thirty_wrong_tries_an_hour(carried, typed, place, clock):
    here, beside = place(HOME), place("198.51.101.7")
    results = [typed(carried(f"a{n}@x.example"), WRONG, networks=here) for n in range(31)]
    assert results == [Result.WRONG] * 30 + [Result.OFF]
    owner = carried("owner@x.example")
    assert typed(owner, networks=here) is Result.OFF
    assert typed(owner, networks=beside) is Result.RIGHT
    clock.advance(minutes=60)
    assert typed(carried("later@x.example"), networks=here) is Result.RIGHT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("there", "beside"),
    [
        pytest.param("198.51.{}.7", "198.52.0.7", id="a /16"),
        pytest.param("2001:db8:1:{:x}::7", "2001:db8:2::7", id="a /48"),
        pytest.param("::ffff:198.51.{}.7", "198.52.0.7", id="a /16 written as IPv6"),
    ],
)
def test_a_wider_network_has_three_hundred(database, clock, carried, typed, place, there, beside):
    address = carried("a@x.example")
    places = [place(there.format(number)) for number in range(100)]
    with database.transaction() as session:
        code = store.find_newest(session, Purpose.SIGN_UP, address)
        for number in range(299):
            code_limits.record_wrong_try(session, clock(), code, networks=places[number % 100])
    last = place(there.format(200))
    assert [typed(address, WRONG, networks=last) for _ in range(2)] == [Result.WRONG, Result.OFF]
    assert typed(address, networks=place(beside)) is Result.RIGHT


@pytest.mark.slow
def test_where_thousands_share_an_address_there_are_two_thousand(
    database, clock, carried, typed, place
):
    shared = (ip_network("198.51.100.0/24"),)
    here, neighbour = (place(ip, shared) for ip in (HOME, "198.51.100.8"))
    assert (here.shared, here, here.far) == (True, neighbour, "")
    address = carried("a@x.example")
    with database.transaction() as session:
        for _ in range(1999):
            session.add(
                store.WrongTry(
                    at=clock(),
                    purpose="lists",
                    address="",
                    near=here.near,
                    far="",
                    guessed_digits=8,
                )
            )
    assert [typed(address, WRONG, networks=here) for _ in range(2)] == [Result.WRONG, Result.OFF]


@pytest.mark.slow
def test_an_address_has_twenty_wrong_tries_a_day_and_its_owner_is_never_refused(
    begin, act, tokens, clock, database, post
):
    attacked, owner = begin(browser="of the guesser"), begin(browser=ANA)
    for _ in range(4):
        for _ in range(5):
            act(sign_up.try_code, attacked, WRONG, tokens=tokens)
        clock.advance(minutes=16)
        act(sign_up.resend, attacked, language="fr")
        post()
    code = right_code(database, tokens, owner)
    assert act(sign_up.try_code, owner, code, tokens=tokens).result is Result.OFF
    answer, opened = act(
        sign_up.open_elsewhere, attacked, code, tokens=tokens, browser=ANA, language="fr"
    )
    assert (answer.result, opened.browser) == (Result.RIGHT, ANA)


@pytest.mark.slow
def test_a_browser_that_proved_the_address_before_is_not_limited_with_the_others(
    begin, act, tokens, clock, database, post
):
    proved = begin(browser=ANA)
    act(sign_up.try_code, proved, right_code(database, tokens, proved), tokens=tokens)
    attacked = begin(browser=BRUNO)
    for _ in range(5):
        for _ in range(5):
            act(sign_up.try_code, attacked, WRONG, tokens=tokens)
        clock.advance(minutes=16)
        act(sign_up.resend, attacked, language="fr")
        post()
    clock.advance(days=7)
    again = begin(browser=ANA)
    for minute in range(20):
        with database.transaction() as session:
            code = store.find_newest(session, Purpose.SIGN_UP, again.address)
            code_limits.record_wrong_try(session, clock(), code, address=again.address)
        assert minute < 20
    code = right_code(database, tokens, again)
    assert act(sign_up.try_code, again, code, tokens=tokens).result is Result.RIGHT


@pytest.mark.slow
def test_the_code_of_every_mail_that_lives_is_right_behind_the_link(
    begin, act, tokens, clock, database, post
):
    request = begin()
    first = right_code(database, tokens, request)
    for _ in range(5):
        act(sign_up.try_code, request, WRONG, tokens=tokens)
    clock.advance(minutes=2)
    act(sign_up.resend, request, language="fr")
    post()
    assert right_code(database, tokens, request) != first
    answer, _ = act(
        sign_up.open_elsewhere, request, first, tokens=tokens, browser=BRUNO, language="fr"
    )
    assert answer.result is Result.RIGHT


@pytest.mark.slow
def test_a_silent_stranger_with_a_request_for_the_same_address_gains_nothing(
    begin, act, tokens, clock, database
):
    stranger, owner = begin(browser=BRUNO), begin(browser=ANA)
    code = right_code(database, tokens, owner)
    assert act(sign_up.try_code, owner, code, tokens=tokens).result is Result.RIGHT
    assert reread(database, stranger).state == "open"
    answer = act(sign_up.try_code, stranger, code, tokens=tokens)
    assert (answer.result, answer.is_used) == (Result.OVER, True)
    assert reread(database, stranger).confirmed_at is None


@pytest.mark.slow
def test_over_three_hundred_wrong_ones_codes_grow_longer_and_nobody_is_refused(guesser, caplog):
    clock, database = guesser.clock, guesser.database
    addresses, mine = guesser.fill(303), guesser.fill(2)
    with caplog.at_level(logging.ERROR), database.transaction() as session:
        assert all(guesser.guess(session, address) for address in addresses[:301])
    assert caplog.text.count("codes are being guessed") == 1
    with database.transaction() as session:
        assert guesser.guess(session, addresses[301])  # one try each
        assert not guesser.guess(session, addresses[301])
        assert not guesser.guess(session, addresses[0])
        for address, held in zip(mine, (False, True), strict=True):
            code = codes.mailed(session, guesser.tokens, Purpose.SIGN_UP, address)
            answer = one_time_codes.spend(
                session,
                guesser.tokens,
                clock(),
                Purpose.SIGN_UP,
                TypedCode(code, held=held),
                address=address,
            )
            assert (len(code), answer.result) == (8, Result.RIGHT)
        guesser.open(session)
        long = store.find_newest(session, Purpose.SIGN_UP, f"x{guesser.invented}@ac-rouen.example")
        assert len(one_time_codes.digits_of(guesser.tokens, long)) == 12
        other = one_time_codes.issue_for_mail(
            session, guesser.tokens, clock(), Purpose.LISTS, "a@x.example"
        )
        assert other.digits == 8
        clock.advance(hours=2)
        guesser.open(session)
        short = store.find_newest(session, Purpose.SIGN_UP, f"x{guesser.invented}@ac-rouen.example")
        assert short.digits == 8


@pytest.mark.slow
def test_an_hour_of_guessing_from_a_slash_32_is_worth_nothing(guesser):
    addresses = guesser.fill(400)
    assert guesser.empty(addresses) == 400
    assert guesser.empty(addresses) == 0
    assert guesser.chance < 5e-6


@pytest.mark.long
def test_a_day_of_guessing_from_a_slash_32_makes_a_false_agent_once_in_ten_thousand_days(
    guesser, rules
):
    """The best that is known: fill an hour with addresses, empty them, let the alarm end, begin anew."""
    database, tokens, clock = guesser.database, guesser.tokens, guesser.clock
    began, camille = clock(), EmailAddress.parse("camille.durand@ac-rouen.example")
    refused = 0
    while clock() < began + timedelta(days=1):
        guesser.empty(guesser.fill(1000))
        refused += not owner_comes(database, rules, tokens, clock, camille)
        clock.time += timedelta(minutes=61)
    assert guesser.tried[8] <= code_limits.MAX_GUESSES + 1
    # What time would have been left for is added at the length of then: it changes nothing.
    rest = 864_000 - guesser.tried[8]
    assert guesser.chance + rest * 1e-12 < 1e-4
    assert refused == 0


def owner_comes(database, rules, tokens, clock, address):
    """Somebody tries five codes for the owner's address; then the owner types the code behind the link."""
    with database.transaction() as session:
        facts = {"address": address, "language": "fr"}
        stranger = sign_up.start(session, rules, clock(), browser=f"stranger {clock()}", **facts)
        one_time_codes.issue_for_mail(session, tokens, clock(), Purpose.SIGN_UP, address.canonical)
        code = codes.mailed(session, tokens, Purpose.SIGN_UP, address.canonical)
        for _ in range(5):
            sign_up.try_code(session, tokens, clock(), stranger, "0" * len(code))
        answer, _ = sign_up.open_elsewhere(
            session, tokens, clock(), stranger, code, browser=f"owner {clock()}", language="fr"
        )
        assert stranger.state == "open"
        assert mails.find_recent(session)
        return answer.result is Result.RIGHT
