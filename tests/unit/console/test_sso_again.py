"""The OpenID provider is asked once more before what matters, and left when somebody signs out."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from identity.console.pages import frame
from identity.operators import sessions
from identity.operators.models import OperatorSession
from identity.operators.roles import Deed
from tests.worlds.sso import *
from tests.worlds.visitors import heading, words


@pytest.fixture
def stale(keycloak, open_browser, provider, ana, clock):
    """Ana's browser, signed in; she proved who she is 5,000 seconds ago."""
    ana.claims["groups"] = ["ops-admin"]
    provider.signed_in_at = clock().timestamp() - 5000
    browser = open_browser(keycloak)
    browser.sign_in()
    return browser


def keep_form(browser, **fields):
    """Send a form that wants the second factor, and ask for the provider: the page with its link."""
    browser.get("/admin/")
    return browser.post(
        "/admin/sign-in/sso/again", sso_for="/admin/sign-out", reason="ticket 4412", **fields
    )


def follow(browser, page):
    """Sign in at the provider once more, and come back."""
    url = re.search(r'href="(http://127[^"]+)"', page.text)[1].replace("&amp;", "&")
    assert parse_qs(urlsplit(url).query)["prompt"] == ["login"]
    return browser.get(browser.answer_of(f"{url}&as=ana"))


def test_a_fresh_sign_in_stands_for_the_second_factor_and_the_form_is_kept(stale, provider, clock):
    provider.signed_in_at = None
    page = follow(stale, keep_form(stale, what="apply", second_factor="000000"))
    assert heading(page) == "Your identity is confirmed"
    kept = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    assert kept.pop("csrf_token")
    assert kept == {"reason": "ticket 4412", "what": "apply"}  # and no second factor
    assert 'action="/admin/sign-out"' in page.text
    clock.advance(minutes=10)
    assert heading(stale.get("/admin/sign-in/sso/confirm")) == HOME  # it is over


def test_who_has_no_app_goes_to_the_provider_and_finds_the_form_again(stale, provider, monkeypatch):
    monkeypatch.setitem(frame.DEEDS, ("console.sign_out", "POST"), Deed.MANAGE_HOMESERVER)
    stale.get("/admin/")
    asking = stale.post("/admin/sign-out")
    assert heading(asking) == "Confirm"
    assert 'name="second_factor"' not in asking.text
    assert 'formaction="/admin/sign-in/sso/again">Confirm with Keycloak' in asking.text
    assert 'name="sso_for" value="/admin/sign-out"' in asking.text
    there = stale.post("/admin/sign-in/sso/again", sso_for="/admin/sign-out", reason="ticket 4412")
    provider.signed_in_at = None
    confirming = follow(stale, there)
    assert heading(confirming) == "Your identity is confirmed"
    done = stale.post("/admin/sign-out", reason="ticket 4412")
    assert heading(done) == "You are signed out of the console"


@pytest.mark.parametrize(
    ("fault", "why"),
    [("old", "stale"), ("none", "stale"), ("future", "stale"), ("factor", "one_factor")],
)
def test_a_sign_in_that_is_old_or_weak_stands_for_nothing(
    stale, provider, ana, clock, journal, fault, why
):
    at = {"old": -601, "future": 3600, "factor": 0, "none": 0}[fault]
    provider.signed_in_at = clock().timestamp() + at
    provider.fault = "no auth_time" if fault == "none" else ""
    ana.amr = ["pwd"] if fault == "factor" else ["mfa"]
    assert heading(follow(stale, keep_form(stale))) == REFUSED
    assert heading(stale.get("/admin/sign-in/sso/confirm")) == HOME  # nothing is confirmed
    [(subject, facts)] = journal("operator.refuse")
    assert (subject, f'"{why}"' in facts) == ("Ana Martin", True)


def test_somebody_else_at_the_provider_does_not_confirm(stale, provider, journal):
    provider.people["ana"].subject = "sub-of-another"
    provider.signed_in_at = None
    assert heading(follow(stale, keep_form(stale))) == REFUSED
    assert '"person"' in journal("operator.refuse")[0][1]


def test_another_session_is_not_confirmed(stale, provider, ana):
    page = keep_form(stale)
    provider.signed_in_at = None
    stale.sign_in()  # another session in the same browser
    assert heading(follow(stale, page)) == REFUSED


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/start", "http://["])
def test_a_form_that_leads_elsewhere_is_not_kept(stale, path):
    stale.get("/admin/")
    answer = stale.send("/admin/sign-in/sso/again", sso_for=path)
    assert answer.status_code == 400


def test_a_form_that_is_too_long_is_not_kept(stale):
    stale.get("/admin/")
    long = stale.send("/admin/sign-in/sso/again", sso_for="/admin/", what="x" * 100_001)
    assert long.status_code == 400


def test_who_came_in_by_the_app_is_not_asked_by_the_provider(keycloak, open_browser, apps, ada):
    desk = open_browser(keycloak)
    with keycloak.database.transaction() as session:
        token = sessions.open_session(session, keycloak.now(), session.merge(ada), proved=True)
    desk.client.set_cookie("guichet-ops", token)
    desk.get("/admin/")
    assert desk.send("/admin/sign-in/sso/again", sso_for="/admin/").status_code == 400


def test_whoever_signs_out_here_may_sign_out_at_the_provider(keycloak, open_browser, provider, ana):
    browser = open_browser(keycloak)
    browser.sign_in()
    page = browser.post("/admin/sign-out")
    assert heading(page) == "You are signed out of the console"
    assert heading(browser.get("/admin/")) == "Sign in to the console"
    url = re.search(r'href="(http://127[^"]+)"', browser.get("/admin/sign-in/sso/out").text)[1]
    sent = parse_qs(urlsplit(url.replace("&amp;", "&")).query)
    assert sorted(sent) == ["id_token_hint", "post_logout_redirect_uri", "state"]
    assert len(sent["state"][0]) == 43
    back = browser.answer_of(url.replace("&amp;", "&"))
    assert provider.left == ["sub-of-ana"]
    page = browser.get(back)
    assert (heading(page), "You are signed out." in words(page)) == ("Sign in to the console", True)
    assert heading(browser.get("/admin/sign-in/sso/out")) == "Sign in to the console"  # once


def test_the_id_token_is_stored_sealed_and_shown_to_nobody_else(keycloak, open_browser, ana):
    browser, other = open_browser(keycloak), open_browser(keycloak)
    browser.sign_in()
    with keycloak.database.reading() as session:
        sealed = session.scalars(select(OperatorSession.id_token)).one()
    assert keycloak.vault.open(sealed).get_secret_value().count(".") == 2
    browser.post("/admin/sign-out")
    other.go()
    assert heading(other.get("/admin/sign-in/sso/out")) == "Sign in to the console"
