"""Operators come in, in Chromium without JavaScript: link, mailed code, app, lock; and no typed form is lost."""

import re

import pytest
from playwright.sync_api import expect

from identity.operators import helping, kept_forms, models as operators, service as operating
from tests.worlds.console import *
from tests.worlds.console_in_chromium import *

HERS = "ada@ops.example"


def open_page(browser_contexts, url, **kind):
    return browser_contexts(locale="en", base_url=url, java_script_enabled=False, **kind).new_page()


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # both databases are tried in tests/unit/console


def type_second(page, code):
    page.get_by_label("Code of your app").fill(code)
    page.get_by_role("button", name="Continue").click()


def test_1_the_link_of_make_run_is_used_by_its_button_alone(
    console_url, browser_contexts, local, link_for
):
    link = link_for(local)
    page = open_page(browser_contexts, console_url)
    assert page.request.head(link).status == 200
    for _ in range(2):
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_have_text("Open the console")
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What waits for you")
    page.goto(link)
    expect(page.get_by_text("This link was used or has expired.")).to_be_visible()


def test_2_an_invited_operator_comes_in_is_locked_and_unlocked_by_the_shell(
    console_url, browser_contexts, services, clock, mailbox, ada, apps
):
    with services.database.transaction() as session:
        operating.invite(session, clock(), operators.find(session, ada.id))
    mailbox.deliver()
    said = []
    page = open_page(browser_contexts, console_url, viewport={"width": 320, "height": 800})
    page.on("console", lambda message: said.append(message.text))

    page.goto(mailbox.link("operator_invite"))
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add your authenticator app")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    apps.secrets[ada.id] = page.locator("main .mono.address").inner_text().replace(" ", "")
    page.get_by_label("Code of your app").fill(apps.code(ada))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    recovery = page.locator("main li").all_inner_texts()
    assert len(recovery) == 10
    page.get_by_role("link", name="I have noted them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What waits for you")
    page.get_by_role("button", name="Sign out").click()

    clock.advance(minutes=2)
    page.get_by_label("Work address").fill(HERS)
    page.get_by_role("button", name="Get a code").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")
    mailbox.deliver()
    page.get_by_label("8-digit code").fill(mailbox.code())
    page.locator("main form button").click()
    used = apps.code(ada)
    type_second(page, used)
    expect(page.get_by_role("heading", level=1)).to_have_text("What waits for you")
    page.get_by_role("button", name="Sign out").click()

    clock.advance(seconds=1)
    with services.database.transaction() as session:
        token = links.issue(session, clock(), ada.id, LinkKind.SIGN_IN)
    page.goto(f"/admin/sign-in/once/{token}")
    page.get_by_role("button", name="Open the console").click()
    for number in range(5):  # the same code of the app, and four that are none
        type_second(page, used if number == 0 else "000000")
        expect(page.locator("main")).not_to_contain_text("What waits for you")
    expect(page.locator(".faults")).to_contain_text("Too many wrong codes")
    type_second(page, recovery[0])
    expect(page.locator(".faults")).to_contain_text("Too many wrong codes")
    with services.database.transaction() as session:
        assert helping.unlock(session, clock(), SHELL, ada.id)
    type_second(page, recovery[0])
    expect(page.get_by_role("heading", level=1)).to_have_text("What waits for you")
    page.get_by_role("button", name="Sign out").click()
    assert [each for each in said if not re.search(r"status of (400|410)", each)] == []


def test_12_a_session_that_ends_while_somebody_types_loses_nothing(
    sit_down, services, clock, ada, apps
):
    apps.enrol(ada)
    page = sit_down(ada)
    page.goto("/admin/access/invite")
    page.get_by_label("Work address").fill("emil@ops.example")
    page.get_by_label("Name").fill("Emil K")
    page.get_by_label("editor –").check()
    page.get_by_label("Reason").fill("ticket 4412")
    clock.advance(minutes=61)
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to the console")
    with services.database.transaction() as session:
        token = links.issue(session, clock(), ada.id, LinkKind.SIGN_IN)
    page.goto(f"/admin/sign-in/once/{token}")
    page.get_by_role("button", name="Open the console").click()
    type_second(page, apps.code(ada))
    expect(page.get_by_role("heading", level=1)).to_have_text("What you typed was kept")
    expect(page.locator("main")).to_contain_text("Emil K")
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("status")).to_contain_text("Emil K is invited")
    with services.database.reading() as session:
        made = operators.find_by_name(session, "Emil K")
        kept = kept_forms.find_newest(session, clock(), ada.id)
    assert (made.mail, made.roles, kept) == ("emil@ops.example", ["editor"], None)
