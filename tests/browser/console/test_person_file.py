"""Somebody whose codes are locked is helped by support, in Chromium without JavaScript."""

import logging

from playwright.sync_api import expect

from identity.invitations import history
from identity.invitations.history import Happened
from identity.operators import links, service as operating
from identity.operators.models import LinkKind
from tests.worlds.in_chromium import *
from tests.worlds.pages import *
from tests.worlds.pages import ZOE

ADDRESS = "camille.durand@ac-rouen.example"


def heading(page):
    return page.locator("h1")


def sign_in_link(site) -> str:
    with site.services.database.transaction() as session:
        local = operating.make_embedded(session, site.clock())
        return (
            f"/admin/sign-in/once/{links.issue(session, site.clock(), local.id, LinkKind.SIGN_IN)}"
        )


def confirm(page, reason="ticket 4412"):
    """The page that asks why, as support fills it in."""
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Confirm").click()


def test_10_a_locked_person_is_found_unlocked_and_signs_up(site, walk, browser_contexts, caplog):
    caplog.set_level(logging.INFO)
    invitation = site.invited(address=ADDRESS)
    with site.services.database.transaction() as session:
        history.add_event(session, invitation.id, site.clock(), Happened.CREATED, by=ZOE)
    ana = walk(java_script_enabled=False)
    ana.start(ADDRESS)
    code = site.code()
    for _ in range(5):
        ana.desk.get_by_label("Code à 8 chiffres").fill("12345678" if code != "12345678" else "1")
        ana.desk.get_by_role("button", name="Valider le code").click()
    expect(ana.desk.locator("#code-fault")).to_contain_text("le code n’est plus accepté ici")

    desk = browser_contexts(locale="en", java_script_enabled=False).new_page()
    urls: list[str] = []
    desk.on("request", lambda request: urls.append(request.url))
    desk.goto(ana.url + sign_in_link(site))
    desk.get_by_role("button", name="Open the console").click()
    desk.get_by_label("Search").fill(ADDRESS)
    desk.get_by_role("button", name="Search").click()
    desk.get_by_role("button", name="Open a file").click()
    confirm(desk)
    expect(heading(desk)).to_have_text("A person’s file")
    assert desk.locator("main .lead").inner_text().startswith("In short: 5 wrong codes")
    expect(desk.locator("main")).to_contain_text("5 wrong codes (sign_up)")
    assert ZOE not in desk.content()
    expect(desk.locator("main")).to_contain_text("@z•••:education.example")
    desk.get_by_role("button", name="Show @z•••:education.example").first.click()
    confirm(desk, "she asks who invited her")
    expect(desk.locator("main")).to_contain_text(ZOE)
    desk.get_by_role("button", name="Unlock the codes").click()
    confirm(desk)
    expect(desk.get_by_role("status")).to_contain_text("all their tries again")
    assert "wrong codes" not in desk.locator("main .lead").inner_text()

    ana.go("/check/1")
    ana.desk.get_by_label("Code à 8 chiffres").fill(code)
    ana.desk.get_by_role("button", name="Valider le code").click()
    expect(heading(ana.desk)).to_have_text("Créez votre compte")
    assert len(urls) >= 8
    written = "\n".join([*urls, *(str(vars(record)) for record in caplog.records)])
    assert "/admin/people/<uuid:file_id>" in written
    for name in (ADDRESS, ADDRESS.replace("@", "%40"), "camille", ZOE, "zoe"):
        assert name not in written.lower()
