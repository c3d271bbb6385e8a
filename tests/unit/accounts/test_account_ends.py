"""An account ends: nothing opened in its name is left, whoever opens something at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from identity import problems
from identity.accounts import ends as account_ends, session_models, sessions as people_sessions
from identity.binding import service as binding
from identity.threepids import account_models as stored, accounts as identity_accounts

ZOE, HERS = "@zoe:education.example", "zoe.martin@ac-rouen.example"
ADA = "@ada:education.example"
OTHER = "z.martin@ac-rouen.example"


@pytest.fixture
def tokens(database, clock):
    """How many good tokens a user has."""

    def tokens(user_id=ZOE):
        with database.reading() as session:
            return stored.count_tokens(session, user_id, clock())

    return tokens


@pytest.fixture
def zoe(database, clock):
    """With two addresses, a token, and a session for each address; Ada beside her."""
    with database.transaction() as session:
        for user_id in (ZOE, ADA):
            stored.issue(session, clock(), user_id=user_id)
        for address in (HERS, OTHER):
            binding.record_verified(session, clock(), address=address, user_id=ZOE)
            people_sessions.open_session(
                session, clock(), purpose="lists", user_id=ZOE, address=address, device=""
            )
    return ZOE


def open_sessions(database) -> list[str]:
    with database.reading() as session:
        return sorted(each.address for each in session_models.open_sessions_of(session, ZOE))


@pytest.mark.slow
def test_the_end_of_an_account_ends_what_is_its_own_and_nothing_else(database, clock, zoe, tokens):
    with database.transaction() as session:
        account_ends.end_account(session, clock(), ZOE)
    assert (tokens(), tokens(ADA), open_sessions(database)) == (0, 1, [])


@pytest.mark.slow
def test_an_address_that_goes_takes_its_sessions_along_and_the_last_one_the_tokens(
    database, clock, zoe, tokens
):
    def take_away(address):
        with database.transaction() as session:
            binding.unbind_verified(session, clock(), address=address, user_id=ZOE)

    take_away(HERS)
    assert (tokens(), open_sessions(database)) == (1, [OTHER])
    take_away(OTHER)
    assert (tokens(), tokens(ADA), open_sessions(database)) == (0, 1, [])


@pytest.mark.slow
def test_no_token_is_made_while_the_account_ends(database, clock, tokens):
    """Whoever comes first: afterwards there is none."""
    for number in range(10):
        user_id, together = f"@user{number}:education.example", Barrier(2)

        def register(user_id=user_id, together=together):
            together.wait()
            with database.transaction() as session:
                identity_accounts.register(session, clock(), user_id=user_id)

        def end(user_id=user_id, together=together):
            together.wait()
            with database.transaction() as session:
                account_ends.end_account(session, clock(), user_id)

        with ThreadPoolExecutor(2) as threads:
            registering, ending = threads.submit(register), threads.submit(end)
        assert ending.exception() is None
        assert isinstance(registering.exception(), problems.SignedOut | None)
        assert tokens(user_id) == 0
