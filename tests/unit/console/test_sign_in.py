"""A link lets an operator in once; then the second factor is asked, and asked again before what matters."""

import re

import pytest

from identity.operators import service as operating
from tests.worlds.console import *
from tests.worlds.visitors import heading, title, words


def test_a_link_is_used_by_its_button_and_by_nothing_else(browser, local, link_for):
    link = link_for(local)
    for _ in range(2):
        assert browser.client.head(link).status_code == 200
        assert browser.get(link).status_code == 200
    assert heading(browser.post(link)) == "What waits for you"
    again = browser.get(link)
    assert (again.status_code, "guichet ops link" in words(again)) == (410, True)


def test_a_link_ends_after_a_quarter_of_an_hour(browser, local, link_for, clock):
    link = link_for(local)
    clock.advance(minutes=15)
    assert browser.get(link).status_code == 410
    assert browser.send(link).status_code == 410


def test_whoever_has_no_app_adds_one_and_gets_ten_codes_once(browser, ada, link_for, apps, clock):
    link = link_for(ada)
    browser.get(link)
    page = browser.post(link)
    assert heading(page) == "Add your authenticator app"
    assert "<svg" in page.text
    assert "style=" not in page.text
    secret = words(page).partition("type into the app: ")[2].partition(" Code of")[0]
    apps.secrets[ada.id] = secret.replace(" ", "")
    shown = browser.post("/admin/sign-in/enrol", second_factor=apps.code(ada))
    assert shown.text.count("<li>") >= 10
    assert heading(browser.get("/admin/")) == "What waits for you"
    assert heading(browser.get("/admin/sign-in/enrol")) == "What waits for you"


def test_nothing_is_shown_before_the_second_factor(sign_in, ada, apps, clock):
    apps.enrol(ada)
    clock.advance(seconds=30)
    halfway = sign_in(ada, proved=False)
    assert heading(halfway.get("/admin/")) == "Code of your app"
    wrong = halfway.post("/admin/sign-in/second", second_factor="000000")
    assert (wrong.status_code, title(wrong)[:6]) == (400, "Error:")
    assert heading(halfway.post("/admin/sign-in/second", second_factor=apps.code(ada))) == (
        "What waits for you"
    )


def test_a_session_ends_when_idle_at_the_latest_after_twelve_hours_and_by_the_button(
    sign_in, ada, clock
):
    idle = sign_in(ada)
    clock.advance(minutes=59)
    assert heading(idle.get("/admin/")) == "What waits for you"
    clock.advance(minutes=60)
    assert heading(idle.get("/admin/")) == "Sign in to the console"
    busy = sign_in(ada)
    for _ in range(14):
        clock.advance(minutes=50)
        busy.get("/admin/")
    clock.advance(minutes=21)
    assert heading(busy.get("/admin/")) == "Sign in to the console"
    leaving = sign_in(ada)
    token = leaving.client.get_cookie("guichet-ops").value
    leaving.get("/admin/")
    leaving.post("/admin/sign-out")
    leaving.client.set_cookie("guichet-ops", token)
    assert heading(leaving.get("/admin/")) == "Sign in to the console"


def test_who_is_disabled_is_out_at_once(sign_in, ada, ines, acts):
    before = sign_in(ines)
    assert heading(before.get("/admin/")) == "What waits for you"
    acts(operating.disable, ines.id)
    assert heading(before.get("/admin/")) == "Sign in to the console"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/admin/", "/admin\\.evil"]
)
def test_after_signing_in_nobody_is_sent_elsewhere(sign_in, ada, apps, clock, wanted):
    apps.enrol(ada)
    clock.advance(seconds=30)
    halfway = sign_in(ada, proved=False)
    halfway.get("/admin/sign-in/second")
    answer = halfway.client.post(
        "/admin/sign-in/second",
        query_string={"then": wanted},
        data={
            "csrf_token": re.search(r'csrf_token" value="([^"]+)"', halfway.seen)[1],
            "second_factor": apps.code(ada),
        },
    )
    assert (answer.status_code, answer.location) == (303, "/admin/")
