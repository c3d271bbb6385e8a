"""A link lets an operator in once; then the second factor is asked, and asked again before what matters."""

import re
from dataclasses import replace

import pytest
from flask import Response
from sqlalchemy import select

from identity.cli import serve
from identity.console.pages import operator_session
from identity.operators import models as operators, service as operating
from identity.operators.models import OperatorSession
from identity.problems import NoSuchOperator
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
    assert "recovery code" not in words(page)  # there are none yet
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


def test_whoever_has_no_second_factor_comes_in_on_this_machine_alone(
    browser, services, local, link_for
):
    link = link_for(local)
    elsewhere = {"Host": "console.evil.example"}  # a name that its owner lets lead here
    assert browser.client.get(link, headers=elsewhere).status_code == 410
    browser.get(link)
    assert heading(browser.post(link)) == "What waits for you"
    assert browser.client.get("/admin/", headers=elsewhere).location == "/admin/sign-in"
    public = services.settings.model_copy(update={"public_url": "https://guichet.example"})
    outside = Browser(create_app(replace(services, settings=public)), services)
    assert outside.client.get(link_for(local)).status_code == 410
    outside.client.set_cookie("__Host-ops", browser.client.get_cookie("guichet-ops").value)
    assert outside.client.get("/admin/").location == "/admin/sign-in"


def test_who_is_disabled_while_signing_in_stays_disabled(app, services, ada, ines, acts):
    acts(operating.disable, ines.id)
    with app.test_request_context("/admin/sign-in"), pytest.raises(NoSuchOperator):
        operator_session.sign_in(Response(), ines)  # as they were a moment ago
    with services.database.reading() as session:
        assert operators.find(session, ines.id).disabled_at is not None
        assert session.scalars(select(OperatorSession)).all() == []


def test_links_end_with_whoever_is_disabled_and_do_not_come_back(
    browser, ada, ines, link_for, acts
):
    link = link_for(ines)
    acts(operating.disable, ines.id)
    assert browser.get(link).status_code == 410
    acts(operating.enable, ines.id)
    assert browser.get(link).status_code == 410


def test_a_session_opened_while_its_operator_was_disabled_is_not_good_afterwards(
    sign_in, ada, ines, acts
):
    acts(operating.disable, ines.id)
    late = sign_in(ines)
    acts(operating.enable, ines.id)
    assert heading(late.get("/admin/")) == "Sign in to the console"


@pytest.mark.parametrize(
    "sent", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_what_a_page_of_another_site_sends_is_not_offered_to_be_sent_again(
    sign_in, ada, browser, sent
):
    hers, path, typed = sign_in(ada), "/admin/access/invite", {"name": "Eve", "roles": "admin"}
    for client, headers in ((hers.client, sent), (browser.client, {})):  # the second: no cookie
        page = client.post(path, data=typed, headers=headers)
        assert (page.status_code, "Eve" in page.text) == (400, False)
        assert "another site" in words(page)
    again = hers.client.post(path, data=typed, headers={"Sec-Fetch-Site": "same-origin"})
    assert (again.status_code, "Eve" in again.text) == (400, True)


def test_the_second_factor_is_not_asked_of_who_has_just_given_it(sign_in, ada, apps, clock):
    apps.enrol(ada)
    clock.advance(seconds=30)
    halfway = sign_in(ada, proved=False)
    page = halfway.get("/admin/sign-in/second")
    code = apps.code(ada)
    assert heading(halfway.post("/admin/sign-in/second", second_factor=code)) == (
        "What waits for you"
    )
    halfway.seen = page.text
    assert halfway.send("/admin/sign-in/second", second_factor=code).status_code == 303


def test_the_service_starts_without_a_link_if_its_operator_was_disabled(
    services, local, ada, acts, browser
):
    url = serve.console_link(services)
    assert browser.get(url.removeprefix(services.settings.public_url)).status_code == 200
    acts(operating.disable, local.id)
    assert serve.console_link(services) is None
