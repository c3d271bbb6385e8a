"""An operator stops sign-ups, an inviter and a homeserver in Chromium, without JavaScript; each ends by itself."""

import re

from playwright.sync_api import expect

from identity.accounts.models import Account, AccountState
from identity.freezes.models import Frozen
from identity.homeservers import models as homeservers, standing
from identity.invitations import block_models
from identity.operators import links, service as operating
from identity.operators.models import LinkKind
from tests.worlds.in_chromium import *
from tests.worlds.pages import *
from tests.worlds.pages import ZOE
from tests.worlds.visitors import Visitor

KNOWN = "camille.durand@ac-rouen.example"  # has an account
UNKNOWN = "dominique.morel@ac-rouen.example"
VARYING = re.compile(r'value="[^"]{20,}"|\d{1,2} ?(?:h|:) ?\d{2}')  # tokens of forms, clock times


def sign_in_link(site) -> str:
    with site.services.database.transaction() as session:
        local = operating.make_embedded(session, site.clock())
        token = links.issue(session, site.clock(), local.id, LinkKind.SIGN_IN)
        return f"/admin/sign-in/once/{token}"


def sign_in(site, url, page) -> None:
    page.goto(url + sign_in_link(site))
    page.get_by_role("button", name="Open the console").click()


def account_of(address: str, now) -> Account:
    return Account(
        address=address,
        user_id="@camille.durand-ac-rouen.example:education.example",
        homeserver="education.example",
        account_class="agent",
        display_name="Camille Durand",
        language="fr",
        state=AccountState.READY,
        creation_mark="",
        created_at=now,
        ready_at=now,
    )


def stop(page, what: str, name: str = "") -> None:
    page.get_by_label("What", exact=True).select_option(label=what)
    page.get_by_label("Domain, or user ID").fill(name)
    page.get_by_label("For how long").last.select_option(label="4 hours")
    page.get_by_label("Reason").fill("ticket 4412")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("It is stopped")


class Newcomer(Visitor):
    """Somebody who opened the first page before anything was stopped, and sends it afterwards."""

    def __init__(self, site, address: str) -> None:
        super().__init__(site.app, "fr", site.services)
        self.address = address
        self.token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/start").text)[1]

    def ask(self) -> tuple[int, str, str]:
        """The answer to the address: its status, when to come again, and the page."""
        form = {"csrf_token": self.token, "email": self.address}
        answer = self.client.post("/start", data=form, headers=self.headers)
        page = VARYING.sub("", answer.text.replace(self.address, "…"))
        return answer.status_code, str(answer.headers.get("Retry-After")), page


def test_11_sign_ups_an_inviter_and_a_homeserver_are_stopped_and_go_on_by_themselves(
    site, url, browser_contexts
):
    site.add(account_of(KNOWN, site.clock()))
    known, unknown = Newcomer(site, KNOWN), Newcomer(site, UNKNOWN)
    desk = browser_contexts(
        locale="en", java_script_enabled=False, viewport={"width": 320, "height": 800}
    ).new_page()
    sign_in(site, url, desk)
    desk.get_by_role("link", name="Menu").click()
    desk.get_by_role("link", name="Incidents").click()
    expect(desk.locator("main")).to_contain_text("Nothing is stopped.")
    stop(desk, "Sign-ups")
    stop(desk, "An inviter", ZOE)
    expect(desk.locator("main")).to_contain_text("@z•••:education.example")
    assert ZOE not in desk.content()
    assert desk.evaluate("document.documentElement.scrollWidth") <= 320

    desk.get_by_role("link", name="Homeservers").last.click()
    desk.get_by_role("link", name="education.example").click()
    desk.get_by_label("For how long").select_option(label="4 hours")
    desk.get_by_role("button", name="Hold", exact=True).click()
    desk.get_by_label("Reason").fill("ticket 4412")
    desk.get_by_role("button", name="Confirm").click()
    expect(desk.locator("main .lead")).to_contain_text("held")

    answer = known.ask()
    assert answer[0] == 503
    assert answer == unknown.ask()
    with site.services.database.reading() as session:
        now = site.clock()
        assert block_models.find_user_ids(session, now) == {ZOE}
        row = homeservers.find(session, "education.example")
        assert not standing.is_reachable(row, now)
    assert site.services.freezes.current().of(Frozen.SIGN_UPS) is not None

    site.clock.advance(hours=4)
    with site.services.database.reading() as session:
        now = site.clock()
        assert block_models.find_user_ids(session, now) == frozenset()
        assert standing.is_reachable(homeservers.find(session, "education.example"), now)
    sign_in(site, url, desk)
    desk.goto(f"{url}/admin/incidents")
    expect(desk.locator("main")).to_contain_text("Nothing is stopped.")
    expect(desk.locator("main")).to_contain_text("freeze.begin sign-ups")
