"""Every screen of the console in Chromium: for everybody, on any screen, without a word in the console.

`make pictures` runs it whole and leaves a picture of each in artefacts/console.
"""

import pytest

from identity.console.pages.frame import DEEDS
from identity.operators import kept_forms, service as operating
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.console_in_chromium import *
from tests.worlds.console_screens import *
from tests.worlds.domain_askers import *
from tests.worlds.looked_at import ALL, SOME, Looks

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize(
        "looks",
        [
            pytest.param(("fr", SOME, False), id="fr"),
            pytest.param(("fr", ALL, True), id="fr-pictures", marks=pytest.mark.long),
            pytest.param(("en", ALL, True), id="en-pictures", marks=pytest.mark.long),
        ],
        indirect=True,
    ),
]
# For who is not signed in, or sent from elsewhere: they are seen where somebody comes in.
COMING_IN = {
    *("sign_in", "code", "mailed", "once", "invited", "second_factor", "enrol", "kept_form"),
    *("sso", "sso_back", "sso_confirm", "sso_left", "sso_no_role", "sso_out", "sso_refused"),
    "sso_silent",
    # It needs an app and a host with a name: test_passkeys.py looks at it.
    "new_passkey",
}


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def looks(request, axe_script):
    return Looks(axe_script, *request.param)


def test_12_every_screen_passes_axe_fits_and_is_quiet(looks, sit_down, make_operator, screens):
    ada = make_operator("Ada", Role.ADMIN, Role.APPROVER, Role.SUPPORT)
    paths = screens(ada)
    named = {endpoint.removeprefix("console.") for endpoint, method in DEEDS if method == "GET"}
    assert set(paths) == named - COMING_IN
    page, said = sit_down(ada, language=looks.language, script=True), []
    page.on("console", lambda message: said.append(message.text))
    for name, path in sorted(paths.items()):
        assert page.goto(path).status == 200, (name, path)
        looks.look(page, name)
    assert looks.found == []
    assert said == []


class Desk:
    """Somebody at a page; `button` is the one that sends what they typed."""

    def __init__(self, page) -> None:
        self.page = page
        self.button = page.locator("main form button:not(.as-link)").first

    def send(self, name, value):
        self.page.locator(f"main [name={name}]").fill(value)
        self.button.click()


def test_12_every_step_of_coming_in_passes_axe_and_fits(
    looks, console_url, browser_contexts, services, clock, make_operator, mailbox, apps
):
    with services.database.transaction() as session:
        session.add(ada := make_operator("Ada", Role.ADMIN))
        ada.language = looks.language
        operating.invite(session, clock(), ada)
    mailbox.deliver()
    page = browser_contexts(locale=looks.language, base_url=console_url).new_page()
    desk = Desk(page)
    page.goto(link := mailbox.link("operator_invite"))
    looks.look(page, "invited")
    desk.button.click()
    looks.look(page, "enrol")
    apps.secrets[ada.id] = page.locator("main .mono.address").inner_text().replace(" ", "")
    desk.send("second_factor", apps.code(ada))
    looks.look(page, "recovery_codes")
    page.goto("/admin/nothing-here")
    looks.look(page, "not_found")
    page.goto("/admin/people")
    looks.look(page, "refused")
    page.locator("header form button.as-link").click()
    page.goto(link)
    looks.look(page, "link_is_over")

    clock.advance(minutes=2)
    page.goto("/admin/sign-in")
    looks.look(page, "sign_in")
    desk.send("email", "ada")
    looks.look(page, "sign_in_with_a_fault")
    desk.send("email", ada.mail)
    looks.look(page, "code")
    mailbox.deliver()
    page.goto(mailbox.link())
    looks.look(page, "mailed")
    desk.send("code", mailbox.code())
    looks.look(page, "second_factor")
    desk.send("second_factor", "000000")
    looks.look(page, "second_factor_with_a_fault")
    desk.send("second_factor", apps.code(ada))
    assert page.url.endswith("/admin/")
    assert looks.found == []


def test_12_what_is_asked_again_and_what_was_kept_pass_axe_and_fit(
    looks, sit_down, services, clock, ada
):
    page = sit_down(ada, language=looks.language, script=True)
    page.goto("/admin/access/invite")
    page.locator("main [name=email]").fill("emil@ops.example")
    page.locator("main [name=name]").fill("Emil K")
    page.locator("main [value=editor]").check()
    clock.advance(minutes=11)
    Desk(page).button.click()
    looks.look(page, "ask_again")
    clock.advance(minutes=61)
    Desk(page).button.click()
    page = sit_down(ada, language=looks.language, script=True)
    with services.database.reading() as session:
        kept = kept_forms.find_newest(session, clock(), ada.id)
    page.goto(f"/admin/kept/{kept}")
    looks.look(page, "kept_form")
    assert looks.found == []
