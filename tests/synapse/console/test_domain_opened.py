"""A domain is asked for, accepted, approved and applied by three people, and its people sign up on a real Synapse."""

import re

import pyotp
import pytest
from playwright.sync_api import expect

from tests.services.person import PASSWORD, code_in, plain
from tests.services.production import ask_database, wait_until_done
from tests.services.waiting import LOOPBACK, free_port, wait_for
from tests.worlds.accounts_on_synapse import *

pytestmark = pytest.mark.browser

A_WHILE = 90_000.0  # milliseconds, on a busy machine


@pytest.fixture
def console(on_synapse, guichet_processes):
    """The URL of a Guichet as in production, where changes take two."""
    port = free_port()
    env = on_synapse | {
        "GUICHET_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "GUICHET_APPROVALS": "two",
    }
    web = guichet_processes.web(env, port=port)
    guichet_processes.worker(env, "--concurrency", "3")
    return web.url


@pytest.fixture
def sit_down(console, browser_contexts):
    """A page of a new browser without JavaScript."""

    def sit_down(language="en"):
        context = browser_contexts(locale=language, base_url=console, java_script_enabled=False)
        page = context.new_page()
        page.set_default_timeout(A_WHILE)
        return page

    return sit_down


@pytest.fixture
def come_in(on_synapse, console, guichet_processes, smtp_server, sit_down):
    """Somebody is made an operator by the shell, and comes in by their mail and a new app."""

    def come_in(name, role):
        mail = f"{name}@ops.example"
        add = ("ops", "add", mail, "--role", role, "--language", "en", "--reason", "ticket 4412")
        guichet_processes.guichet(*add, env=on_synapse | {"GUICHET_PUBLIC_URL": console})
        page = sit_down()
        page.goto(re.search(r"http://\S+/v/\S+", plain(smtp_server.wait_for_mail(mail)))[0])
        page.get_by_role("button", name="Open the console").click()
        secret = page.locator("main .mono.address").inner_text().replace(" ", "")
        page.get_by_label("Code of your app").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Activate").click()
        page.get_by_role("link", name="I have noted them").click()
        return page

    return come_in


def press(page, name):
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def reload_until(page, text):
    """Press what looks again, as people without JavaScript do."""
    wait_for(
        lambda: page.reload() and text in page.locator("main").inner_text(),
        what=text,
        within=240,
        pause=0.5,
    )


def test_4_three_people_open_a_domain_and_whoever_asked_signs_up(
    on_synapse, sit_down, come_in, smtp_server, synapse, family
):
    domain = f"{family}.example"
    asker, opened = f"jean@{domain}", f"Ask for @{domain} to be opened"
    jean, editor = sit_down(), come_in("emil", "editor")
    approver, _other = come_in("ines", "approver"), come_in("ivo", "approver")

    jean.goto("/start")
    jean.fill("#email", asker)
    press(jean, "Continue")
    press(jean, opened)
    jean.fill("#code", code_in(plain(smtp_server.wait_for_mail(asker))))
    press(jean, "Confirm the code")
    jean.fill("#organisation", "Académie de Normandie")
    jean.fill("#position", "head of IT")
    jean.check("#size-under_1000")
    press(jean, "Send my request")
    expect(jean.locator("h1")).to_have_text(f"Request D-1 for @{domain}")

    editor.goto("/admin/")
    editor.locator("main ul.rows a").first.click()
    editor.get_by_role("link", name=f"@{domain}").click()
    editor.fill("#organisation", "Normandie")
    editor.select_option("#homeserver", synapse.server_name)
    press(editor, "Accept: prepare the change")
    change = editor.url.partition("#")[0]
    reload_until(editor, "asked for these domains")
    press(editor, "Propose")
    assert editor.get_by_role("button", name="Approve").count() == 0

    approver.goto(change)
    press(approver, "Approve")
    reload_until(approver, "Applied")
    expect(approver.locator("main")).to_contain_text("Emil")

    decision = plain(smtp_server.wait_for_mail(asker, number=3))
    jean.goto(re.search(r"http://\S+/start\S*", decision)[0])
    jean.fill("#email", asker)
    press(jean, "Continue")
    jean.fill("#code", code_in(plain(smtp_server.wait_for_mail(asker, number=4))))
    press(jean, "Confirm the code")
    for field in jean.locator("input[type=password]").all():
        field.fill(PASSWORD)
    jean.locator("main form button").first.click()
    wait_for(lambda: jean.reload() and jean.url.endswith("/done"), what="an account", within=240)
    wait_until_done(on_synapse)
    [(user_id,)] = ask_database(on_synapse, "select user_id from accounts")
    assert synapse.log_in(user_id, PASSWORD).status_code == 200
