"""Operators sign in by an OpenID provider in Chromium, without JavaScript: there, back, and refused."""

from contextlib import closing

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from identity.app import create_app
from identity.console.pages import sso_calls
from tests.services.openid_provider import OpenidProvider, Silent
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.sso import *

WORDS = {
    "en": {
        "sign in": "Sign in with Keycloak",
        "home": "What waits for you",
        "out": "Sign out",
        "refused": "Sign-in refused",
        "silent": "No answer",
        "no role": "No role here",
        "local": "Sign in another way",
        "too": "Sign out of Keycloak, too",
        "start": "Sign in to the console",
        "left": "You are signed out.",
        "a03": "Keycloak did not confirm who you are.",
        "a04": "Keycloak does not answer.",
    },
    "fr": {
        "sign in": "Se connecter avec Keycloak",
        "home": "Ce qui vous attend",
        "out": "Se déconnecter",
        "refused": "Connexion refusée",
        "silent": "Pas de réponse",
        "no role": "Aucun rôle ici",
        "local": "Se connecter autrement",
        "too": "Se déconnecter aussi de Keycloak",
        "left": "Vous êtes déconnecté.",
        "start": "Se connecter à la console",
        "a03": "Keycloak n'a pas confirmé votre identité.",
        "a04": "Keycloak ne répond pas.",
    },
}
ROWS = ("audience", "issuer of the token", "nonce", "key", "expired")


@pytest.fixture
def provider(clock):
    made = OpenidProvider(clock, host="localhost")  # another site than the console, for cookies
    claims = {"name": "Ana Martin", "groups": ["ops-appr"]}
    made.people["ana"] = Person("sub-of-ana", claims, amr=["pwd", "otp"])
    yield made
    made.stop()


@pytest.fixture
def url(with_sso):
    port = free_port()
    address = f"http://{LOOPBACK}:{port}"
    services = with_sso(public_url=address, sso_role_claim="groups", sso_roles=ROLES)
    app = create_app(services)

    def whole(environ, start_response):
        with closing(app(environ, start_response)) as answer:
            return [b"".join(answer)]

    server = make_server(LOOPBACK, port, whole, threaded=True, request_handler=Silent)
    thread = serve(server)
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


class Desk:
    """One operator's browser."""

    def __init__(self, page, url, language) -> None:
        self.page, self.url, self.say = page, url, WORDS[language]
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))

    def begin(self):
        """To the provider, by the link."""
        self.page.goto(f"{self.url}/admin/")
        self.page.get_by_role("link", name=self.say["sign in"]).click()
        expect(self.page.locator("h1")).to_have_text("Provider")

    def sign_in(self):
        self.begin()
        self.page.get_by_role("link", name="ana").click()

    @property
    def heading(self):
        return self.page.locator("h1")


@pytest.fixture(params=["en", "fr"])
def desk_of(request, browser_contexts, url):
    def desk_of(**kind):
        context = browser_contexts(locale=request.param, java_script_enabled=False, **kind)
        return Desk(context.new_page(), url, request.param)

    return desk_of


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_3_signing_in_by_the_provider(desk_of, provider, monkeypatch):
    desk, phone = desk_of(), desk_of(viewport={"width": 320, "height": 700})
    page, say = desk.page, desk.say
    desk.sign_in()
    expect(desk.heading).to_have_text(say["home"])
    expect(page.get_by_text("Ana Martin")).to_be_visible()

    # Out, here and there.
    page.get_by_role("button", name=say["out"]).click()
    page.get_by_role("link", name=say["too"]).click()
    expect(page.get_by_role("status")).to_have_text(say["left"])
    assert provider.left == ["sub-of-ana"]

    # What is not signed for us.
    for fault in ROWS:
        provider.fault = fault
        desk.sign_in()
        expect(desk.heading, fault).to_have_text(say["refused"])
        expect(page.get_by_text(say["a03"])).to_be_visible()
        expect(page.get_by_role("link", name=say["local"])).to_be_visible()
    provider.fault = ""

    # Without the cookie, and a second time.
    phone.begin()
    link = phone.page.get_by_role("link", name="ana").get_attribute("href")
    phone.page.context.clear_cookies()
    phone.page.get_by_role("link", name="ana").click()
    expect(phone.heading).to_have_text(say["refused"])
    desk.begin()
    with page.expect_request(lambda asked: "/sso/back?" in asked.url) as back:
        page.get_by_role("link", name="ana").click()
    expect(desk.heading).to_have_text(say["home"])
    phone.page.goto(back.value.url)
    expect(phone.heading).to_have_text(say["refused"])
    page.goto(back.value.url)
    expect(desk.heading).to_have_text(say["refused"])
    assert link.startswith("?")

    # A provider that is silent.
    monkeypatch.setattr(sso_calls, "SECONDS", 0.5)
    provider.fault = "silent"
    phone.sign_in()
    expect(phone.heading).to_have_text(say["silent"])
    expect(phone.page.get_by_text(say["a04"])).to_be_visible()
    width = phone.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320
    phone.page.get_by_role("link", name=say["local"]).click()
    expect(phone.heading).to_have_text(say["start"])
    provider.fault = ""
    monkeypatch.undo()

    # A role that is taken away: out, also where one was signed in.
    page.goto(f"{desk.url}/admin/")
    expect(desk.heading).to_have_text(say["home"])
    provider.people["ana"].claims["groups"] = []
    phone.sign_in()
    expect(phone.heading).to_have_text(say["no role"])
    page.goto(f"{desk.url}/admin/")
    expect(desk.heading).to_have_text(say["start"])
    policy = [text for text in (*desk.complaints, *phone.complaints) if "Content Security" in text]
    assert policy == []
