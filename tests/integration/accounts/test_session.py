"""`guichet session`: where somebody is signed in, ended one by one or all at once."""

import pytest

from identity.accounts import sessions as people_sessions
from identity.accounts.sessions import BULK_INVITES
from identity.binding import service as binding
from identity.core.clock import utc_now
from identity.threepids import account_models as identity_accounts, callers
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION

ZOE, HERS = f"@zoe:{EDUCATION}", "zoe.martin@ac-rouen.example"


@pytest.fixture
def signed_in(federation, opened):
    """Zoé in two browsers and one client."""
    with opened.transaction() as session:
        binding.record_verified(session, utc_now(), address=HERS, user_id=ZOE)
        for device in ("Firefox", ""):
            people_sessions.open_session(
                session, utc_now(), purpose=BULK_INVITES, user_id=ZOE, address=HERS, device=device
            )
        return identity_accounts.issue(session, utc_now(), user_id=ZOE)


def test_an_operator_sees_where_somebody_is_signed_in(signed_in, federation):
    told = federation.json("session", "list", ZOE)
    assert told["identity_tokens"] == 1
    assert sorted(each["device"] for each in told["sessions"]) == ["", "Firefox"]
    assert {each["address"] for each in told["sessions"]} == {HERS}
    assert "Firefox" in federation("session", "list", ZOE).stdout
    assert federation.json("session", "list", "@eve:x")["sessions"] == []


def test_one_session_is_ended_and_the_others_stand(signed_in, federation):
    one = federation.json("session", "list", ZOE)["sessions"][0]["id"]
    told = federation.json("session", "end", ZOE, "--id", one)
    assert (told["ended_sessions"], told["ended_tokens"]) == (1, 0)
    assert len(federation.json("session", "list", ZOE)["sessions"]) == 1
    assert "no session" in federation("session", "end", ZOE, "--id", one, ends=1).stderr
    federation("session", "end", "@eve:x", "--id", one, ends=1)


def test_all_of_somebodys_are_ended(signed_in, federation, opened):
    federation("session", "end", ZOE, "--dry-run")
    assert federation.json("session", "list", ZOE)["identity_tokens"] == 1
    told = federation.json("session", "end", ZOE)
    assert (told["ended_sessions"], told["ended_tokens"]) == (2, 1)
    with opened.reading() as session:
        assert callers.find(session, signed_in, utc_now()) is None
