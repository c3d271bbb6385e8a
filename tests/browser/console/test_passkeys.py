"""Passkeys in Chromium, with an authenticator of its own: added, used to sign in, and to prove it again."""

import pytest
from playwright.sync_api import expect

from identity.operators import models as operators
from identity.operators.passkeys import models as stored
from identity.translations import texts
from tests.worlds.console import *
from tests.worlds.console_in_chromium import *
from tests.worlds.looked_at import ALL, SOME, Looks
from tests.worlds.passkeys import Settings

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
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def looks(request, axe_script):
    return Looks(axe_script, *request.param)


@pytest.fixture
def settings(tmp_path, console_port) -> Settings:
    """Browsers make passkeys for names and not for 127.0.0.1."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        public_url=f"http://localhost:{console_port}",
    )


class Device:
    """Chromium's virtual authenticator, which belongs to one page."""

    def __init__(self, page) -> None:
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        self.named = {"authenticatorId": made["authenticatorId"]}

    def knows_the_user(self, *, well: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {**self.named, "isUserVerified": well})

    def credentials(self) -> list[dict]:
        return self.cdp.send("WebAuthn.getCredentials", self.named)["credentials"]


class Desk:
    """An operator at a page, who finds things by the words of their language."""

    def __init__(self, page, language) -> None:
        self.page, self.language = page, language
        self.heading = page.get_by_role("heading", level=1)
        self.done = page.locator("main .note[role=status]")

    def words(self, text_id, **values) -> str:
        return texts(self.language).gettext(text_id).format(**values)

    def press(self, text_id, **values):
        name = self.words(text_id, **values)
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, text_id, value):
        self.page.get_by_label(self.words(text_id)).fill(value)


@pytest.fixture
def desk(console_url, settings, browser_contexts, services, clock, ada, apps, link_for, looks):
    """Ada has come in with her app, in Chromium with an authenticator that has no passkey yet."""
    apps.enrol(ada)
    clock.advance(seconds=30)
    with services.database.transaction() as session:
        operators.find(session, ada.id).language = looks.language
    page = browser_contexts(locale=looks.language, base_url=settings.public_url).new_page()
    desk = Desk(page, looks.language)
    page.goto(link_for(ada))
    desk.press("console.once.action")
    desk.fill("console.factor.label", apps.code(ada))
    desk.press("console.second.action")
    expect(desk.heading).to_have_text(desk.words("console.home.h1"))
    return desk


def test_2_a_passkey_is_added_signs_in_and_proves_it_again(desk, services, clock, ada, looks):
    page, said, device = desk.page, [], Device(desk.page)
    page.on("console", lambda message: said.append(message.text))
    page.goto("/admin/me")
    desk.press("console.passkeys.add")
    desk.press("console.passkey.new.action")  # it asks for the name first
    assert device.credentials() == []
    desk.fill("console.passkey.name.label", "office laptop")
    looks.look(page, "new_passkey")
    desk.press("console.passkey.new.action")
    expect(desk.done).to_have_text(desk.words("console.passkey.added", name="office laptop"))
    looks.look(page, "me_with_a_passkey")
    (held,) = device.credentials()
    assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)
    desk.press("console.passkeys.add")
    desk.fill("console.passkey.name.label", "twice")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text(desk.words("console.passkey.known"))

    desk.press("console.sign_out")
    looks.look(page, "sign_in_by_passkey")
    device.knows_the_user(well=False)
    desk.press("console.passkey.sign_in")
    expect(page.locator("main")).to_contain_text(desk.words("console.passkey.failed"))
    looks.look(page, "sign_in_by_passkey_failed")
    device.knows_the_user(well=True)
    desk.press("console.passkey.sign_in")
    expect(desk.heading).to_have_text(desk.words("console.home.h1"))

    clock.advance(minutes=11)
    page.goto("/admin/me")
    desk.press("console.me.factor.renew")
    expect(desk.heading).to_have_text(desk.words("console.again.h1"))
    looks.look(page, "ask_again_with_a_passkey")
    desk.press("console.passkey.again")
    expect(desk.heading).to_have_text(desk.words("console.recovery.h1"))
    with services.database.reading() as session:
        (kept,) = stored.find_of(session, ada.id)
    assert (kept.name, kept.used_at, kept.sign_count) == ("office laptop", clock(), 3)

    page.goto("/admin/me")
    desk.press("console.passkeys.remove_named", name="office laptop")
    desk.press("console.sign_out")
    desk.press("console.passkey.sign_in")
    expect(page.get_by_role("alert")).to_contain_text(desk.words("console.passkey.wrong"))
    looks.look(page, "sign_in_by_passkey_refused")
    assert looks.found == []
    assert [each for each in said if "status of 403" not in each] == []
