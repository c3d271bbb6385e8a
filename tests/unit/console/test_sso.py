"""Operators sign in by an OpenID provider, and only whom it vouches for, to us, now, in this browser."""

import time
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from identity.app import create_app
from identity.console.pages import sso_calls
from identity.core.findings import State
from identity.health.checks.provider import check_provider
from identity.operators import jobs
from identity.operators.models import Source
from identity.operators.sso.models import SsoProvider, SsoState
from tests.worlds.sso import *
from tests.worlds.visitors import heading, words


def test_a_sign_in_is_one_call_and_brings_name_role_and_scope(
    keycloak, open_browser, provider, ana, operator_named
):
    browser = open_browser(keycloak)
    assert "Sign in with Keycloak" in browser.get("/admin/sign-in").text
    provider.calls.clear()
    page = browser.sign_in()
    assert (heading(page), "Ana Martin" in page.text) == (HOME, True)
    assert provider.calls == ["/authorize", "/token"]
    made = operator_named("Ana Martin")
    assert (made.roles, made.homeservers, made.source) == (
        ["approver"],
        ["education.example"],
        Source.SSO,
    )
    assert (made.issuer, made.subject, made.mail) == (
        provider.issuer,
        "sub-of-ana",
        "ana@ops.example",
    )


def test_state_nonce_and_verifier_are_random_and_stay_here(keycloak, open_browser, provider, ana):
    browser = open_browser(keycloak)
    browser.go()
    sent = asked(browser)
    assert [len(sent[name]) for name in ("state", "nonce")] == [43, 43]
    assert sent["code_challenge_method"] == "S256"
    cookies = browser.client.get_cookie("guichet-sso").value
    assert sent["state"] not in cookies
    assert sent["nonce"] not in cookies
    with keycloak.database.reading() as session:
        row = session.scalars(select(SsoState)).one()
        assert sent["state"] not in (row.state_hash, row.sealed)
        assert "verifier" not in row.sealed


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("audience", "audience"),
        ("audience missing", "audience"),
        ("issuer of the token", "issuer"),
        ("issuer of the answer", "issuer"),
        ("nonce", "nonce"),
        ("key", "key"),
        ("forged", "signature"),
        ("unsigned", "token"),
        ("expired", "expired"),
        ("future", "claim"),
        ("access token", "claim"),
        ("subject", "claim"),
    ],
)
def test_what_is_not_signed_for_us_and_now_lets_nobody_in(
    keycloak, open_browser, provider, ana, journal, fault, why
):
    provider.fault = fault
    browser = open_browser(keycloak)
    page = browser.sign_in()
    assert (page.status_code, heading(page)) == (403, REFUSED)
    assert "Keycloak did not confirm who you are." in words(page)
    assert "Sign in another way" in words(page)
    [(subject, facts)] = journal("operator.refuse")
    assert (subject, f'"why":"{why}"' in facts.replace(" ", "")) == ("somebody", True)
    assert heading(browser.get("/admin/")) == "Sign in to the console"


def test_whoever_comes_back_without_having_been_sent_is_refused(
    keycloak, open_browser, ana, journal, clock
):
    browser, other = open_browser(keycloak), open_browser(keycloak)
    back = browser.go()
    assert heading(other.get(back)) == REFUSED  # no cookie
    other.go()
    assert heading(other.get(back)) == REFUSED  # a cookie of another browser
    state = asked(browser)["state"]
    for path in (back.replace(state, "s" * 43), back.replace("state=", "no="), back + "%00"):
        assert heading(browser.get(path)) in {REFUSED, "This is not possible"}
    assert heading(browser.get(back)) == HOME  # nothing of it used it up
    browser.post("/admin/sign-out")
    assert heading(browser.get(back)) == REFUSED  # once
    late = open_browser(keycloak)
    back = late.go()
    clock.advance(minutes=10)
    assert heading(late.get(back)) == REFUSED
    assert journal("operator.refuse") == []  # strangers write nothing there


def test_of_two_that_come_back_at_once_one_is_let_in(keycloak, open_browser, provider, ana):
    browser = open_browser(keycloak)
    back = browser.go()
    token, answers, start = browser.client.get_cookie("guichet-sso").value, [], Barrier(2)

    def come_back():
        again = create_app(keycloak).test_client()
        again.set_cookie("guichet-sso", token)
        start.wait()
        answers.append(again.get(back).location)

    threads = [Thread(target=come_back) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["/admin/sign-in/second", "/admin/sign-in/sso/refused"]
    assert provider.calls.count("/token") == 1


def test_two_tabs_of_one_browser_both_come_in(keycloak, open_browser, ana):
    browser = open_browser(keycloak)
    first, second = browser.go(), browser.go()
    assert heading(browser.get(first)) == HOME
    assert heading(browser.get(second)) == HOME
    third = browser.go()
    browser.client.set_cookie("guichet-sso", "of another browser")
    assert heading(browser.get(third)) == REFUSED


@pytest.mark.parametrize("fault", ["silent", "broken"])
def test_a_provider_that_is_silent_ends_after_five_seconds_and_nothing_else_waits(
    keycloak, open_browser, provider, ana, monkeypatch, fault
):
    monkeypatch.setattr(sso_calls, "SECONDS", 0.3)
    provider.fault = fault
    browser = open_browser(keycloak)
    back, began = browser.go(), time.monotonic()
    page = browser.get(back)
    assert time.monotonic() - began < 3.0
    assert (page.status_code, heading(page)) == (503, "No answer")
    assert "Keycloak does not answer." in words(page)
    assert "Sign in another way" in words(page)


def test_no_more_than_two_wait_for_the_provider(keycloak, open_browser, ana):
    browser = open_browser(keycloak)
    back = browser.go()
    with sso_calls.place(), sso_calls.place():
        assert heading(browser.get(back)) == "No answer"
    assert heading(browser.get(back)) == HOME  # it was not used up


@pytest.mark.parametrize(
    ("error", "title"),
    [("access_denied", REFUSED), ("temporarily_unavailable", "No answer")],
)
def test_what_the_provider_says_no_to_is_told(keycloak, open_browser, provider, ana, error, title):
    provider.error = error
    assert heading(open_browser(keycloak).sign_in()) == title


def test_before_the_worker_has_read_the_provider_it_does_not_answer(with_sso, open_browser):
    browser = open_browser(with_sso(reads=False))
    assert heading(browser.get("/admin/sign-in/sso")) == "No answer"


def test_without_a_provider_there_is_nothing_of_it(services, open_browser):
    browser = open_browser(services)
    assert "sso" not in browser.get("/admin/sign-in").text
    assert browser.get("/admin/sign-in/sso").status_code == 404
    assert browser.get("/admin/sign-in/sso/back?code=a&state=b").status_code == 404


def test_who_signs_in_often_from_one_network_is_held_back(keycloak, open_browser, ana):
    browser = open_browser(keycloak)
    answers = {browser.client.get("/admin/sign-in/sso").status_code for _ in range(61)}
    assert answers == {303, 429}


def test_the_worker_reads_description_and_keys_each_hour(with_sso, provider, clock):
    services = with_sso()
    assert provider.calls == ["/.well-known/openid-configuration", "/keys"]
    for minutes, expected in ((0, 2), (59, 2), (60, 4)):
        clock.advance(minutes=minutes if minutes < 60 else 1)
        jobs.read_provider(services)
        assert len(provider.calls) == expected


def test_a_new_key_of_the_provider_is_read_within_a_minute(
    keycloak, open_browser, provider, ana, clock
):
    provider.rotate()
    browser = open_browser(keycloak)
    assert heading(browser.sign_in()) == REFUSED
    jobs.read_provider(keycloak)  # it was read less than a minute ago
    assert heading(browser.sign_in()) == REFUSED
    clock.advance(minutes=1)
    jobs.read_provider(keycloak)
    assert heading(browser.sign_in()) == HOME


def test_what_was_read_stays_in_use_while_the_provider_is_away(
    keycloak, open_browser, provider, ana, clock
):
    provider.fault = "document"
    clock.advance(hours=1)
    jobs.read_provider(keycloak)
    with keycloak.database.reading() as session:
        row = session.get(SsoProvider, provider.issuer)
    assert row.fault == "it names another issuer than GUICHET_SSO_ISSUER, letter by letter"
    provider.fault = ""
    assert heading(open_browser(keycloak).sign_in()) == HOME
    clock.advance(minutes=1)
    jobs.read_provider(keycloak)
    with keycloak.database.reading() as session:
        row = session.get(SsoProvider, provider.issuer)
    assert (row.fault, row.read_at) == ("", clock())


def test_of_two_workers_one_reads_the_provider(with_sso, provider):
    services = with_sso(reads=False)
    threads = [Thread(target=jobs.read_provider, args=[services]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.calls == ["/.well-known/openid-configuration", "/keys"]


def test_the_doctor_tells_how_the_provider_was_read(with_sso, provider, clock):
    services = with_sso(reads=False)

    def told():
        with services.database.reading() as session:
            [found] = check_provider(session, clock(), services.settings)
        return (found.state, found.told)

    assert told()[1].startswith("no worker has read it yet")
    jobs.read_provider(services)
    assert told() == (State.OK, f"read {clock():%Y-%m-%d %H:%M}Z")
    clock.advance(minutes=121)
    assert told()[0] is State.ATTENTION
    provider.fault = "document"
    jobs.read_provider(services)
    assert told()[1].startswith("it names another issuer than GUICHET_SSO_ISSUER")


def test_without_a_provider_the_doctor_says_nothing_of_it(services, clock):
    with services.database.reading() as session:
        assert list(check_provider(session, clock(), services.settings)) == []
