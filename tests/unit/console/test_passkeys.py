"""On the screens of the console a passkey takes the place of codes, and never the last way in is taken."""

import json
import re
import sys
from dataclasses import replace

import pytest
from flask import Response
from sqlalchemy import select

from identity.console.pages import operator_session
from identity.core.journal import JournalEntry
from identity.core.rate_limits import PASSKEY_SIGN_INS
from identity.health.checks.operators import check_operators
from identity.operators import factors, helping, models as operators, sessions
from identity.operators.passkeys import models as stored
from identity.problems import NoSuchOperator
from identity.web.request_context import EXTENSION
from tests.worlds.authenticators import Authenticator
from tests.worlds.console import *
from tests.worlds.passkeys import *
from tests.worlds.visitors import heading, words

HOME = "What waits for you"


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # what is stored is tried on both databases in tests/unit/operators


class WithScript:
    """What passkey.js does, for one browser: it asks for a challenge, and sends a form."""

    def __init__(self, browser, authenticator) -> None:
        self.browser, self.authenticator = browser, authenticator

    def options(self, path):
        token = re.search(r'csrf_token" value="([^"]+)"', self.browser.seen)[1]
        return self.browser.client.post(path, data={"csrf_token": token})

    def answer(self, path, **wrong) -> str:
        return self.authenticator.get(self.options(path).json, **wrong)

    def sign_in(self, **wrong):
        self.browser.get("/admin/sign-in")
        sent = self.answer("/admin/sign-in/passkey/options", **wrong)
        return self.browser.post("/admin/sign-in/passkey", passkey=sent)

    def make(self) -> str:
        self.browser.get("/admin/me/passkeys/new")
        return self.authenticator.create(self.options("/admin/me/passkeys/options").json)


@pytest.fixture
def script(browser):
    return WithScript(browser, Authenticator(ORIGIN))


@pytest.fixture
def her_script(script, sign_in, ada, apps):
    """A browser whose authenticator has a passkey of Ada, where nobody is signed in."""
    apps.enrol(ada)
    hers = WithScript(sign_in(ada), script.authenticator)
    made = hers.browser.post("/admin/me/passkeys", name="office laptop", new_passkey=hers.make())
    assert "The passkey office laptop is added." in words(made)
    return script


def test_it_opens_the_console_where_somebody_wanted_to_go(her_script, clock):
    browser = her_script.browser
    assert heading(browser.get("/admin/journal")) == "Sign in to the console"
    sent = her_script.answer("/admin/sign-in/passkey/options")
    assert heading(browser.post("/admin/sign-in/passkey", passkey=sent)) == "Journal"
    # Neither code nor app was asked, and nothing that is renewed asks for it within ten minutes.
    page = words(browser.get("/admin/me"))
    assert "office laptop" in page
    assert heading(browser.post("/admin/me/recovery-codes")) == "Your recovery codes"


def test_a_refused_one_says_the_same_whoever_it_was(her_script, services, clock, ada):
    seen = set()
    for wrong in ({"origin": "https://evil.example"}, {"named": bytes(32)}, {"flags": 1}):
        answer = her_script.sign_in(**wrong)
        seen.add((answer.status_code, heading(answer), words(answer)))
    with services.database.transaction() as session:
        operators.find(session, ada.id).disabled_at = clock()
    answer = her_script.sign_in()
    seen.add((answer.status_code, heading(answer), words(answer)))
    assert len(seen) == 1
    status, title, text = seen.pop()
    assert (status, title) == (403, "Sign in to the console")
    assert "This passkey was not accepted. Use a code." in text
    assert "guichet-ops" not in str(her_script.browser.client._cookies)


def test_a_locked_operator_reads_until_when(her_script, services, clock, ada):
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        for _ in range(5):
            factors.try_code(session, services.vault, clock(), found, "000000")
    answer = her_script.sign_in()
    assert answer.status_code == 403
    assert "Too many wrong codes" in words(answer)


def test_no_answer_and_no_challenge_let_nobody_in(her_script):
    browser = her_script.browser
    browser.get("/admin/sign-in")
    assert browser.post("/admin/sign-in/passkey").status_code == 403
    assert browser.post("/admin/sign-in/passkey", passkey="{}").status_code == 403
    assert browser.client.post("/admin/sign-in/passkey/options").status_code == 400  # no CSRF token


def test_challenges_are_not_stored_for_ever_and_are_limited_by_network(script, services):
    script.browser.get("/admin/sign-in")
    first = script.options("/admin/sign-in/passkey/options")
    assert first.headers["Cache-Control"] == "no-store"
    for _ in range(PASSKEY_SIGN_INS.amount - 1):
        assert script.options("/admin/sign-in/passkey/options").status_code == 200
    assert script.options("/admin/sign-in/passkey/options").status_code == 429


def test_a_passkey_is_added_behind_the_second_factor_listed_and_removed(
    sign_in, script, ada, apps, clock, services
):
    apps.enrol(ada)
    browser = sign_in(ada, proved=True)
    clock.advance(minutes=11)
    her_script = WithScript(browser, script.authenticator)
    browser.get("/admin/me")
    assert heading(browser.post("/admin/me/passkeys/begin")) == "Confirm"
    asked = browser.post("/admin/me/passkeys/begin", second_factor=apps.code(ada))
    assert heading(asked) == "Add a passkey"
    made = her_script.make()
    nameless = browser.post("/admin/me/passkeys", name=" ", new_passkey=made)
    assert (nameless.status_code, "Give it a name" in words(nameless)) == (400, True)
    page = browser.post("/admin/me/passkeys", name="office laptop", new_passkey=made)
    assert re.search(r"office laptop .*never Remove", words(page))
    again = browser.post("/admin/me/passkeys", name="twice", new_passkey=made)
    assert (again.status_code, "was not added" in words(again)) == (400, True)
    with services.database.reading() as session:
        (kept,) = stored.find_of(session, ada.id)
        written = session.scalars(select(JournalEntry).order_by(JournalEntry.number)).all()[-1]
    assert (written.actor, written.action) == ("Ada", "operator.passkey_add")
    assert written.origin.startswith("console from")

    clock.advance(minutes=11)
    browser.get("/admin/me")
    path = f"/admin/me/passkeys/{kept.id}/remove"
    assert heading(browser.post(path)) == "Confirm"
    page = browser.post(path, second_factor=apps.code(ada))
    assert "The passkey is removed." in words(page)
    assert "office laptop" not in words(page)
    assert browser.post(path).status_code == 404


def test_nobody_removes_the_passkey_of_another(her_script, sign_in, services, ada, ines):
    with services.database.reading() as session:
        (hers,) = stored.find_of(session, ada.id)
    browser = sign_in(ines)
    browser.get("/admin/me")
    assert browser.post(f"/admin/me/passkeys/{hers.id}/remove").status_code == 404
    with services.database.reading() as session:
        assert stored.find_of(session, ada.id)


def test_who_has_no_app_is_offered_none_and_adds_none(sign_in, ada, apps, script):
    browser = sign_in(ada)
    assert "passkey" not in browser.get("/admin/me").text
    assert heading(browser.get("/admin/me/passkeys/new")) == "My access"
    hers = WithScript(browser, script.authenticator)
    assert hers.options("/admin/me/passkeys/options").status_code == 404
    assert heading(browser.post("/admin/me/passkeys/begin")) == "My access"
    apps.enrol(ada)
    assert "passkey" in browser.get("/admin/me").text


def test_it_proves_again_who_somebody_is_and_the_form_goes_on(
    her_script, sign_in, ada, clock, apps
):
    hers = WithScript(sign_in(ada), her_script.authenticator)
    clock.advance(minutes=11)
    browser = hers.browser
    browser.get("/admin/me")
    asked = browser.post("/admin/access/invite", reason="ticket 4412", email="gil@ops.example")
    assert heading(asked) == "Confirm"
    path = "/admin/sign-in/passkey/again"
    wrong = hers.answer(path, origin="https://evil.example")
    again = browser.post("/admin/access/invite", reason="ticket 4412", passkey=wrong)
    assert (again.status_code, "was not accepted" in words(again)) == (400, True)
    assert "evil.example" not in again.text  # what was wrong is not carried along
    right = hers.answer(path)
    fields = {"email": "gil@ops.example", "name": "Gil", "roles": "viewer", "language": "en"}
    done = browser.post("/admin/access/invite", reason="ticket 4412", passkey=right, **fields)
    assert "Gil is invited" in words(done)
    clock.advance(minutes=11)
    replayed = browser.post("/admin/access/invite", reason="ticket 4412", passkey=right, **fields)
    assert "was not accepted" in words(replayed)


def test_a_passkey_of_another_proves_nothing(her_script, sign_in, ines, clock, apps):
    apps.enrol(ines)
    hers = WithScript(sign_in(ines), her_script.authenticator)
    clock.advance(minutes=11)
    asked = hers.browser.get("/admin/me") and hers.browser.post("/admin/me/recovery-codes")
    assert "Use a passkey" not in words(asked)
    sent = hers.answer("/admin/sign-in/passkey/again")
    assert "was not accepted" in words(hers.browser.post("/admin/me/recovery-codes", passkey=sent))


def test_after_a_mailed_code_it_is_the_second_factor(her_script, sign_in, ada, clock):
    halfway = WithScript(sign_in(ada, proved=False), her_script.authenticator)
    assert "Use a passkey" in words(halfway.browser.get("/admin/sign-in/second"))
    wrong = halfway.answer("/admin/sign-in/passkey/again", flags=1)
    answer = halfway.browser.post("/admin/sign-in/second", passkey=wrong)
    assert (answer.status_code, heading(answer)) == (400, "Code of your app")
    right = halfway.answer("/admin/sign-in/passkey/again")
    assert heading(halfway.browser.post("/admin/sign-in/second", passkey=right)) == HOME


def test_a_challenge_of_one_session_is_not_answered_in_another(her_script, sign_in, ada):
    one = WithScript(sign_in(ada, proved=False), her_script.authenticator)
    one.browser.get("/admin/sign-in/second")
    sent = one.answer("/admin/sign-in/passkey/again")
    other = sign_in(ada, proved=False)
    other.client.set_cookie(
        "guichet-passkey", one.browser.client.get_cookie("guichet-passkey").value
    )
    other.get("/admin/sign-in/second")
    assert other.post("/admin/sign-in/second", passkey=sent).status_code == 400
    assert heading(one.browser.post("/admin/sign-in/second", passkey=sent)) == HOME


def test_whose_app_is_reset_enters_by_code_and_app_again(her_script, services, clock, ada):
    assert heading(her_script.sign_in()) == HOME
    with services.database.transaction() as session:
        helping.reset_factor(session, clock(), SHELL, ada.id)
    assert heading(her_script.browser.get("/admin/")) == "Sign in to the console"
    assert her_script.sign_in().status_code == 403


@pytest.mark.parametrize("why", ["no library", "no name"])
def test_where_none_are_offered_everything_else_works(
    her_script, sign_in, services, tmp_path, ada, monkeypatch, why
):
    mine, browser = sign_in(ada), her_script.browser
    if why == "no library":
        monkeypatch.setitem(sys.modules, "webauthn", None)
    else:
        keys = services.settings.secret_keys
        made = Settings(_env_file=None, data_dir=tmp_path, secret_keys=keys)  # at 127.0.0.1
        mine.client.application.extensions[EXTENSION] = replace(services, settings=made)
    page = browser.get("/admin/sign-in")
    assert (page.status_code, "passkey" in page.text) == (200, False)
    assert her_script.options("/admin/sign-in/passkey/options").status_code == 404
    assert browser.post("/admin/sign-in/passkey", passkey="{}").status_code == 403
    seen = words(mine.get("/admin/me"))
    assert "They cannot be used at this address of the console." in seen
    assert "Add a passkey" not in seen
    assert "Not offered" in words(mine.get("/admin/about"))


def test_without_a_script_nothing_of_it_is_seen(her_script, sign_in, ada):
    """What the script shows is hidden until then, and nothing in the page runs or styles by itself."""
    for browser, path in (
        (her_script.browser, "/admin/sign-in"),
        (sign_in(ada, proved=False), "/admin/sign-in/second"),
    ):
        text = browser.get(path).text
        (box,) = re.findall(r"<div[^>]*data-passkey=[^>]*>", text)
        assert " hidden " in box
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/assets/passkey.js" defer>']
        assert "style=" not in text


def test_an_operator_reads_in_their_mail_what_became_of_a_passkey(her_script, mailbox):
    assert ("ada@ops.example", "operator_notice") in mailbox.deliver()
    assert "The passkey “office laptop” was added" in " ".join(mailbox.text().split())
    assert json.dumps(mailbox.text()).count("/admin/me") >= 1


@pytest.mark.parametrize("console_url", ["http://console.localhost:8095"])
def test_they_belong_to_the_console_where_that_has_an_origin_of_its_own(
    services, ada, apps, sign_in, console_url
):
    assert services.settings.public_url == ORIGIN != console_url
    apps.enrol(ada)
    script = WithScript(sign_in(ada), Authenticator(console_url))
    made = script.browser.post(
        "/admin/me/passkeys", name="office laptop", new_passkey=script.make()
    )
    assert "The passkey office laptop is added." in words(made)
    assert script.authenticator.passkeys[0].rp_id == "console.localhost"
    script.browser.post("/admin/sign-out")
    assert script.sign_in(origin=ORIGIN).status_code == 403
    assert heading(script.sign_in()) == HOME


def test_whose_passkeys_are_taken_away_while_they_come_in_does_not(her_desk, app, services, clock):
    tried = her_desk.sign_in()
    assert tried.is_right
    with services.database.transaction() as session:
        helping.reset_factor(session, clock(), SHELL, tried.operator.id)
    with app.test_request_context("/admin/sign-in/passkey"), pytest.raises(NoSuchOperator):
        operator_session.sign_in(Response(), tried.operator, proved=True)
    with services.database.reading() as session:
        assert sessions.find_open(session, clock(), tried.operator.id) == []


def test_a_page_that_answers_a_form_can_be_read_in_the_other_language(her_script, sign_in, ada):
    browser = her_script.browser
    assert her_script.sign_in(flags=1).status_code == 403
    [link] = re.findall(r'<a href="([^"]+)" hreflang="fr"', browser.seen)
    assert link == "/admin/sign-in?lang=fr"
    assert heading(browser.get(link)) == "Se connecter à la console"
    hers = sign_in(ada)
    hers.get("/admin/me/passkeys/new")
    assert 'href="/admin/me/passkeys/new?lang=fr" hreflang="fr"' in hers.seen
    assert hers.post("/admin/me/passkeys", name="").status_code == 400
    assert 'href="/admin/me?lang=fr" hreflang="fr"' in hers.seen


def test_those_of_another_host_are_named_and_not_offered(her_script, sign_in, services, clock, ada):
    def said():
        with services.database.reading() as session:
            found = check_operators(session, services.settings, clock())
            return [each.told for each in found if each.what == "passkeys"]

    ask_again = "/admin/me/recovery-codes"
    hers = sign_in(ada)
    clock.advance(minutes=11)
    hers.get("/admin/me")
    assert "Made for" not in words(hers.get("/admin/me"))
    assert 'data-passkey="get"' in hers.post(ask_again).text
    assert said() == []
    with services.database.transaction() as session:
        stored.find_of(session, ada.id)[0].rp_id = "guichet.example.org"
    assert "Made for guichet.example.org, where the console is no more" in words(
        hers.get("/admin/me")
    )
    assert 'data-passkey="get"' not in hers.post(ask_again).text
    assert said() == ["1 made for another host than localhost: no browser uses them any more"]
    options = WithScript(hers, her_script.authenticator)
    hers.get("/admin/me")
    assert options.options("/admin/sign-in/passkey/again").json["allowCredentials"] == []
