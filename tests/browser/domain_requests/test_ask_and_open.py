"""A person asks, an editor accepts, an approver lets the change in: three browsers, without JavaScript."""

import re
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server

from identity.core.one_time_codes.models import Purpose
from identity.operators import models as operators, sessions
from identity.rule_changes import changes
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds import codes
from tests.worlds.domain_askers import *
from tests.worlds.rule_changing import *

AXE = (
    "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
    " resultTypes: ['violations']})"
)
pytestmark = pytest.mark.browser


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


class Silent(WSGIRequestHandler):
    """A server that prints nothing."""

    def log(self, *args) -> None:
        pass


@pytest.fixture
def url(app):
    port = free_port()

    def whole(environ, start_response):
        with closing(app(environ, start_response)) as answer:
            return [b"".join(answer)]

    server = make_server(LOOPBACK, port, whole, threaded=True, request_handler=Silent)
    thread = serve(server)
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def look(axe_script, browser_contexts, url):
    """Looks at a page as everybody may: no fault by axe, and no scrolling at 320 and 1280 pixels.

    A context with JavaScript shows the same HTML, since the pages of the test work without.
    """
    page = browser_contexts().new_page()

    def look(seen, name):
        page.goto(f"{url}/legal")  # the origin of the pages
        page.set_content(absolute(seen.content(), url))
        page.wait_for_load_state("load")
        found = []
        for width, scheme in ((1280, "light"), (320, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [(name, width, f"{wide} px wide")] * (wide > width)
        page.evaluate(axe_script)
        for fault in page.evaluate(AXE)["violations"]:
            where = [node["html"][:100] for node in fault["nodes"][:2]]
            found.append((name, fault["id"], where))
        return found

    return look


def absolute(html, url):
    """So that a page whose HTML is set finds its style sheet."""
    return html.replace('href="/', f'href="{url}/').replace('action="/', f'action="{url}/')


@pytest.fixture
def desk_of(services, clock, browser_contexts, url):
    """A browser in which this operator is signed in."""

    def desk_of(operator, language):
        with services.database.transaction() as session:
            found = operators.find(session, operator.id)
            found.language = language
            token = sessions.open_session(session, clock(), found, proved=True)
        context = browser_contexts(locale=language, java_script_enabled=False)
        context.add_cookies([{"name": "guichet-ops", "value": token, "url": url}])
        return context.new_page()

    return desk_of


def h1(page):
    return page.locator("h1")


def press(page, name):
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("language", ["fr", pytest.param("en", marks=pytest.mark.long)])
def test_4_from_not_open_to_an_account(
    url, look, browser_contexts, desk_of, office, services, emil, ines, approvers, postbox, language
):
    fr = language == "fr"
    jean = browser_contexts(locale=language, java_script_enabled=False).new_page()
    visited, faults = [], []
    jean.on("request", lambda request: visited.append(request.url))
    jean.goto(f"{url}/start")
    jean.fill("#email", JEAN)
    press(jean, "Continuer" if fr else "Continue")
    ask_for = (
        f"Demander l’ouverture de @{NORMANDIE}" if fr else f"Ask for @{NORMANDIE} to be opened"
    )
    press(jean, ask_for)
    jean.fill("#code", office.code_for())
    press(jean, "Valider le code" if fr else "Confirm the code")
    faults += look(jean, "form")
    jean.fill("#organisation", "Académie de Normandie")
    jean.fill("#position", "chef de projet")
    jean.check("#size-under_1000")
    press(jean, "Envoyer ma demande" if fr else "Send my request")
    ref = f"Demande D-1 pour @{NORMANDIE}" if fr else f"Request D-1 for @{NORMANDIE}"
    expect(h1(jean)).to_have_text(ref)
    office.work()

    desk = desk_of(emil, language)
    desk.goto(f"{url}/admin/requests")
    desk.get_by_role("link", name=f"@{NORMANDIE}").click()
    expect(desk.locator("main")).not_to_contain_text(JEAN)
    faults += look(desk, "request")
    press(desk, "Accepter : préparer le changement" if fr else "Accept: prepare the change")
    expect(desk.get_by_role("status")).to_contain_text("C-1")
    office.work()
    desk.reload()
    press(desk, "Proposer" if fr else "Propose")
    approver = desk_of(ines, language)
    approver.goto(f"{url}/admin/changes/C-1")
    press(approver, "Approuver" if fr else "Approve")
    office.work(3)

    assert postbox.sent[-1]["Subject"] in {
        "Votre demande D-1 : décision".replace(" :", "\u00a0:"),
        "Your request D-1: decision",
    }
    mailed = postbox.sent[-1].get_body(("plain",)).get_content()
    link = re.search(r"http://127\.0\.0\.1:8090(/start)", mailed)[1]
    jean.goto(f"{url}{link}")
    jean.fill("#email", JEAN)
    press(jean, "Continuer" if fr else "Continue")
    office.work(1)
    with services.database.reading() as session:
        code = codes.mailed(session, services.tokens, Purpose.SIGN_UP, JEAN)
    jean.fill("#code", code)
    press(jean, "Valider le code" if fr else "Confirm the code")
    expect(h1(jean)).to_contain_text("compte" if fr else "account")
    assert not [each for each in visited if "@" in urlsplit(each).path or "jean" in each]
    assert faults == []


@pytest.mark.parametrize("language", ["en", pytest.param("fr", marks=pytest.mark.long)])
def test_5_the_door_a_look_alike_a_second_request_a_full_queue_and_a_misplaced_proof(
    url, look, browser_contexts, desk_of, office, services, emil, language, monkeypatch
):
    monkeypatch.setattr("identity.domain_requests.limits.MAX_OF_OWNER", 2)
    fr, faults = language == "fr", []
    new = browser_contexts(locale=language, java_script_enabled=False).new_page

    def prove(address, page=None):
        page = page or new()
        page.goto(f"{url}/my-domain")
        page.fill("#email", address)
        press(page, "Continuer" if fr else "Continue")
        if page.url.endswith("/answer"):
            return page
        page.fill("#code", office.code_for(address))
        press(page, "Valider le code" if fr else "Confirm the code")
        return page

    def send(page):
        page.fill("#organisation", "Académie")
        page.fill("#position", "chef")
        page.check("#size-under_10")
        press(page, "Envoyer ma demande" if fr else "Send my request")
        return page

    free = prove("jean@gmail.com")
    expect(h1(free)).to_contain_text("@gmail.com")
    faults += look(free, "door")

    first = send(prove(JEAN))
    reference = h1(first).inner_text()
    office.clock.advance(minutes=2)
    again = prove(f"jean+x@{NORMANDIE}", browser_contexts(locale=language).new_page())
    expect(h1(again)).to_have_text(reference)

    send(prove(f"lea@{NORMANDIE}"))
    late = send(prove(f"max@{NORMANDIE}"))
    expect(h1(late)).to_have_text("Votre demande est comptée" if fr else "Your request is counted")
    reachable = [each for each in office.people() if "@" in each.address]
    assert (office.read().people, len(reachable)) == (3, 2)

    office.dns.add_zone(NORMANDIE)
    first.goto(again.url)
    press(again, "Obtenir l’enregistrement à publier" if fr else "Get the record to publish")
    wrong = f"_guichet.{NORMANDIE}.{NORMANDIE}"
    office.dns.put(wrong, "TXT", f'"{office.proof().value}"')
    office.work()
    again.reload()
    expect(again.locator("main")).to_contain_text(wrong)
    faults += look(again, "proof")

    office.ask("ana@ac-r0uen.example")
    office.work()
    desk = desk_of(emil, language)
    desk.goto(f"{url}/admin/requests/D-2")
    press(desk, "Accepter : préparer le changement" if fr else "Accept: prepare the change")
    expect(desk.get_by_role("alert")).to_contain_text("ac-rouen.example")
    desk.fill("#typed", "ac-r0uen.example")
    press(desk, "Accepter : préparer le changement" if fr else "Accept: prepare the change")
    expect(desk.get_by_role("status")).to_contain_text("C-1")
    with services.database.reading() as session:
        assert changes.required(session, 1).lines == 1
    assert faults == []
