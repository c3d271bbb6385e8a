"""Who is signed in to the lists: until they leave, or are no longer who they were; each browser for itself."""

import re

import pytest
from sqlalchemy import select

from identity.accounts import ends as account_ends, sessions as people_sessions, verified_addresses
from identity.accounts.session_models import PersonSession
from identity.accounts.sessions import BULK_INVITES
from identity.app import create_app
from identity.binding import service as binding
from identity.bulk_invites.pages import sessions
from identity.homeservers import models as homeservers
from identity.threepids import associations
from tests.worlds.bulk_inviters import HERS, ZOE, browser, desk, post, service, settings
from tests.worlds.cleaning import cleaned
from tests.worlds.visitors import FIREFOX

__all__ = ["browser", "desk", "service", "settings"]

COOKIE = "guichet-lists"


@pytest.fixture
def sign_in(service, clock):
    """As the page does once the code was right: the cookie of this browser from now on."""

    def sign_in(browser, user_id=ZOE, address=HERS, device="Firefox") -> str:
        with service.database.transaction() as session:
            token = people_sessions.open_session(
                session,
                clock(),
                purpose=BULK_INVITES,
                user_id=user_id,
                address=address,
                device=device,
            )
        browser.set_cookie(COOKIE, token)
        return token

    return sign_in


@pytest.fixture
def other(service):
    """Another browser."""
    return create_app(service).test_client()


def is_in(browser) -> bool:
    return browser.get("/lists").status_code == 200


def rows(service) -> list[PersonSession]:
    with service.database.reading() as session:
        return list(session.scalars(select(PersonSession).order_by(PersonSession.created_at)))


def test_signed_out_the_cookie_opens_nothing_wherever_it_was_copied_to(browser, other, sign_in):
    token = sign_in(browser)
    other.set_cookie(COOKIE, token)
    assert is_in(other)
    answer = post(browser, "/lists/sign-out")
    assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
    assert not is_in(other)
    browser.set_cookie(COOKIE, token)
    assert not is_in(browser)


def test_half_an_hour_without_a_page_ends_it(browser, sign_in, clock):
    sign_in(browser)
    for _ in range(4):
        clock.advance(minutes=29)
        assert is_in(browser)
    clock.advance(minutes=30)
    assert not is_in(browser)


def test_kept_warm_it_ends_after_eight_hours(browser, sign_in, clock):
    sign_in(browser)
    for _ in range(23):
        clock.advance(minutes=20)
        assert is_in(browser)
    clock.advance(minutes=20)
    assert not is_in(browser)


def test_what_has_ended_does_not_come_back_with_what_had_ended_it(browser, sign_in, service, clock):
    sign_in(browser)
    for source, expected in (("guest", False), ("agent", False)):
        with service.database.transaction() as session:
            homeservers.find(session, "education.example").class_source = source
        assert is_in(browser) is expected


def deactivated(session, now):
    account_ends.end_account(session, now, ZOE)


def address_taken_away(session, now):
    binding.unbind_verified(session, now, address=HERS, user_id=ZOE)


def has_another_address(session, now):
    binding.unbind_verified(session, now, address=HERS, user_id=ZOE)
    binding.record_verified(session, now, address="z.martin@ac-rouen.example", user_id=ZOE)


def made_a_guest(session, now):
    homeservers.find(session, "education.example").class_source = "guest"


def homeserver_is_gone(session, now):
    session.delete(homeservers.find(session, "education.example"))


def proof_and_association_are_gone_however(session, now):
    associations.unbind(session, address=HERS, user_id=ZOE)
    verified_addresses.remove(session, user_id=ZOE, address=HERS)


@pytest.mark.parametrize(
    "happens",
    [
        deactivated,
        address_taken_away,
        has_another_address,
        made_a_guest,
        homeserver_is_gone,
        proof_and_association_are_gone_however,
    ],
)
def test_who_is_no_longer_who_signed_in_is_signed_out(browser, sign_in, service, clock, happens):
    sign_in(browser)
    assert is_in(browser)
    with service.database.transaction() as session:
        happens(session, clock())
    path = "/lists/6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11"
    assert browser.get(path).location.startswith("/lists/sign-in")
    assert post(browser, "/lists", room="!a:b", text="a@b.example").status_code == 401
    assert rows(service)[0].ended_at == clock()


def test_who_withdraws_the_public_association_stays(browser, sign_in, service):
    sign_in(browser)
    with service.database.transaction() as session:
        binding.unbind(session, address=HERS, user_id=ZOE)
    assert is_in(browser)


def test_the_page_shows_where_one_is_signed_in_and_ends_it_there(browser, other, sign_in, clock):
    sign_in(browser, device="Firefox")
    assert "Où vous êtes connecté" not in browser.get("/lists").text
    clock.advance(minutes=1)
    sign_in(other, device="")
    text = browser.get("/lists").text
    assert "Où vous êtes connecté" in text
    assert "Firefox, depuis" in text
    assert "Un navigateur inconnu, depuis" in text
    (path,) = re.findall(r'action="(/lists/sessions/[^"]+/end)', text)
    assert post(browser, path).location.endswith("/lists")
    assert is_in(browser)
    assert not is_in(other)


def test_nobody_ends_the_session_of_somebody_else(browser, other, sign_in, service):
    with service.database.transaction() as session:
        binding.record_verified(
            session,
            service.now(),
            address="ada@ac-rouen.example",
            user_id="@ada:education.example",
        )
    sign_in(browser)
    sign_in(other, user_id="@ada:education.example", address="ada@ac-rouen.example")
    hers, adas = rows(service)
    post(other, f"/lists/sessions/{hers.id}/end")
    assert is_in(browser)
    assert "sessions/" not in other.get("/lists").text
    post(other, f"/lists/sessions/{adas.id}/end")
    assert not is_in(other)


def test_signing_in_gives_a_token_that_nobody_knew_and_ends_the_one_before(
    browser, other, sign_in, service
):
    """Who planted a cookie in somebody's browser has nothing of it."""
    planted = sign_in(other)
    browser.set_cookie(COOKIE, planted)
    with browser.application.test_request_context(
        headers={"Cookie": f"{COOKIE}={planted}", "User-Agent": FIREFOX}
    ):
        with service.database.transaction() as session:
            token = sessions.open_session(session, ZOE, HERS)
        answer = sessions.go_to_lists(token)
    given = re.search(rf"{COOKIE}=([^;]+)", answer.headers["Set-Cookie"]).group(1)
    assert given != planted
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert not is_in(other)
    browser.set_cookie(COOKIE, given)
    assert is_in(browser)
    assert rows(service)[-1].device == "Firefox"


def test_a_token_of_another_purpose_or_of_nobody_opens_nothing(browser, sign_in, service):
    token = sign_in(browser)
    assert token not in repr([vars(row) for row in rows(service)])
    for value in (token[:-1], token.swapcase(), "x" * 3000, "é", "", rows(service)[0].token_hash):
        browser.set_cookie(COOKIE, value)
        assert not is_in(browser)
    with pytest.raises(ValueError, match="no sessions"):
        sign_in_for_nothing(service)


def sign_in_for_nothing(service):
    with service.database.transaction() as session:
        people_sessions.open_session(
            session, service.now(), purpose="console", user_id=ZOE, address=HERS, device=""
        )


def test_sessions_are_forgotten_after_a_week(browser, sign_in, service, clock):
    sign_in(browser)
    clock.advance(days=8)
    with service.database.transaction() as session:
        assert cleaned(session, clock())["sessions of people"] == 1
    assert rows(service) == []
