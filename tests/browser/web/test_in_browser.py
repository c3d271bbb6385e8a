"""The pages in Chromium: whole journeys without JavaScript, and what a mail scanner can do with it."""

import re
from contextlib import closing
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server

from identity.core.outbox import Lane
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.mail_files import keep_mail
from tests.worlds.page_states import Walk
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD
from tests.worlds.web_servers import carry_out

ADDRESS = "camille.durand@ac-rouen.example"
AXE = (
    "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
    " resultTypes: ['violations', 'incomplete']})"
)


class Silent(WSGIRequestHandler):
    """A server that prints nothing."""

    def log(self, *args) -> None:
        pass


@pytest.fixture
def url(site):
    port = free_port()

    def whole(environ, start_response):
        # Where a browser hangs up, this server would leave the file open that it was sending.
        with closing(site.app(environ, start_response)) as answer:
            return [b"".join(answer)]

    server = make_server(LOOPBACK, port, whole, threaded=True, request_handler=Silent)
    thread = serve(server)
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def walk(site, url, browser_contexts):
    def open_one(language="fr", **kind):
        desk, phone = (browser_contexts(locale=language, **kind).new_page() for _ in range(2))
        return Walk(site, url, desk, phone, language)

    return open_one


def heading(page):
    return page.locator("h1")


def test_an_account_is_made_without_javascript(site, walk):
    ana = walk(java_script_enabled=False)
    ana.go("/")
    ana.desk.get_by_role("link", name="Créer mon compte").click()
    ana.desk.get_by_label("Adresse électronique").fill(ADDRESS)
    ana.desk.get_by_role("button", name="Continuer").click()
    expect(heading(ana.desk)).to_have_text("Consultez votre messagerie")
    code = site.code()
    ana.desk.get_by_label("Code à 8 chiffres").fill(f"{code[:4]} {code[4:]}")
    ana.desk.get_by_role("button", name="Valider le code").click()
    expect(ana.desk.get_by_label("Nom affiché")).to_have_value("Camille Durand [Rouen]")
    ana.desk.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    ana.desk.get_by_label("une seconde fois").fill(PASSWORD)
    ana.desk.get_by_role("button", name="Créer mon compte").click()
    expect(heading(ana.desk)).to_have_text("Nous créons votre compte")
    carry_out(site.services, Lane.ACCOUNTS)
    expect(heading(ana.desk)).to_have_text("Bienvenue", timeout=30_000)  # it asked by itself
    ana.desk.reload()  # no question about sending a form again
    expect(heading(ana.desk)).to_have_text("Bienvenue")
    assert len(site.server.made) == 1


def test_a_desk_and_a_phone_each_go_their_own_way(site, walk):
    ana = walk(java_script_enabled=False)
    ana.start(ADDRESS)
    link, code = site.link(), site.code()
    ana.send(ana.go(link, ana.phone), code=code)
    expect(heading(ana.phone)).to_have_text("Créez votre compte")
    ana.desk.reload()
    expect(heading(ana.desk)).to_have_text("Consultez votre messagerie")
    ana.go(link)  # the code has confirmed the phone; here the button does it
    ana.send()
    expect(heading(ana.desk)).to_have_text("Créez votre compte")


def test_a_scanner_that_opens_and_presses_everything_moves_nothing(site, walk, browser_contexts):
    ana = walk()
    ana.start(ADDRESS)
    asked, pressed = site.newest(), 0
    site.invited()
    mailed = [site.mailed(purpose=purpose) for purpose in ("invitation", "not_me", "opt_out")]
    for link in (site.link(), site.link(purpose="not_me"), *mailed):
        scanner = browser_contexts().new_page()
        buttons = scanner.goto(ana.url + link) and scanner.locator("main button").count()
        for index in range(buttons):
            scanner.goto(ana.url + link)
            ana.press(scanner.locator("main button").nth(index))
            pressed += 1
        for place in {a.get_attribute("href") for a in scanner.locator("main a").all()}:
            if place.startswith("/"):
                scanner.goto(ana.url + place)
    assert pressed >= 5
    assert [(request.id, request.state) for request in site.all()] == [(asked.id, "open")]
    assert site.invitation().state == "queued"
    assert site.mails() == ["verify"]
    ana.desk.reload()
    expect(heading(ana.desk)).to_have_text("Consultez votre messagerie")
    ana.go(site.link())
    ana.send()
    expect(heading(ana.desk)).to_have_text("Créez votre compte")


def test_a_link_in_the_html_of_a_mail_at_home_can_be_followed(site, walk, clock):
    ana = walk()
    ana.start(ADDRESS)
    message = EmailMessage()
    message["Message-ID"] = "<0b9c3f2e-0000-4000-8000-000000000001@guichet.localhost>"
    message["Date"] = format_datetime(clock())
    message["Subject"] = "Your code"
    message.set_content("text")
    link = f'<style>a {{padding: 3px}}</style><a href="{ana.url}{site.link()}">Confirm</a>'
    message.add_alternative(f"{link}<script>document.title = 'ran'</script>", "html")
    keep_mail(site.services.settings.mail_dir, message)
    ana.go("/dev/mail")
    ana.press(ana.desk.get_by_role("link", name="Your code"))
    ana.press(ana.desk.get_by_role("link", name="HTML"))
    assert ana.desk.title() != "ran"
    assert ana.desk.locator("a").evaluate("e => getComputedStyle(e).paddingTop") == "3px"
    ana.desk.get_by_role("link", name="Confirm").click()
    expect(heading(ana.desk)).to_have_text("Confirmez votre adresse")
    ana.send()
    expect(heading(ana.desk)).to_have_text("Créez votre compte")


def test_an_error_takes_the_focus_and_leads_to_its_field(walk):
    ana = walk()
    ana.start("ana@")
    expect(ana.desk.get_by_role("alert")).to_be_focused()
    ana.desk.keyboard.press("Tab")
    ana.desk.keyboard.press("Enter")
    expect(ana.desk.locator("#email")).to_be_focused()
    expect(ana.desk.locator("#email")).to_have_value("ana@")


def test_the_keyboard_meets_everything_in_reading_order_with_a_visible_focus(walk):
    ana = walk()
    ana.go("/start")
    met = []
    for _ in range(12):
        ana.desk.keyboard.press("Tab")
        name, outline, top = ana.desk.evaluate(
            "(e => [e.textContent.trim() || e.id, getComputedStyle(e).outlineStyle + "
            "parseInt(getComputedStyle(e).outlineWidth), e.getBoundingClientRect().top])"
            "(document.activeElement)"
        )
        assert outline == "solid3", name
        assert top >= 0, name
        met.append(name)
        if name == "Mentions légales":
            break
    assert met[0] == "Aller au contenu"
    assert met[-1] == "Mentions légales"
    assert met.index("email") < met.index("Continuer") < met.index("J’ai déjà un compte")


def test_nothing_is_lost_with_large_spacing_forced_colours_or_on_paper(walk):
    ana = walk(viewport={"width": 320, "height": 640}, bypass_csp=True)
    ana.start(ADDRESS)
    ana.desk.add_style_tag(
        content="* {line-height: 1.5 !important; letter-spacing: .12em !important; "
        "word-spacing: .16em !important} p {margin-bottom: 2em !important}"
    )
    assert ana.desk.evaluate("document.documentElement.scrollWidth") <= 320
    ana.desk.emulate_media(forced_colors="active")
    expect(ana.desk.get_by_role("button", name="Valider le code")).to_be_visible()
    ana.desk.emulate_media(media="print", forced_colors="none")
    expect(ana.desk.get_by_text(ADDRESS).first).to_be_visible()
    expect(ana.desk.locator("nav")).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "seen_as"),
    [("fr", ((320, "light"), (1280, "dark"))), ("en", ((320, "dark"),))],
    ids=["fr", "en"],
)
def test_every_state_passes_axe_fits_the_screen_and_is_quiet(walk, axe_script, language, seen_as):
    ana = walk(language)
    said, foreign = [], []
    for page in (ana.desk, ana.phone):
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda r: foreign.append(r.url) if ana.url not in r.url else None)
    found, seen = [], set()
    for name, page in ana.everywhere():
        seen.add(name)
        assert page.locator("h1").count() == 1, name
        page.evaluate(axe_script)
        for width, scheme in seen_as:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            found += too_wide_or_small(name, page, width)
            answer = page.evaluate(AXE)
            for fault in answer["violations"] + answer["incomplete"]:
                where = [node["html"][:100] for node in fault["nodes"][:2]]
                found.append((name, width, scheme, fault["id"], where))
    assert found == []
    assert len(seen) > 60
    assert foreign == []
    assert [text for text in said if not re.search(r"status of (400|401|404)", text)] == []


def too_wide_or_small(name, page, width):
    """Horizontal scrolling, and buttons or fields that a thumb misses."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    small = page.evaluate(
        "[...document.querySelectorAll('button, .button, input:not([type=hidden]), summary')]"
        ".map(e => [e, e.getBoundingClientRect()])"
        ".filter(([e, box]) => box.width && (box.height < 44 || box.width < 44))"
        ".map(([e]) => e.outerHTML.slice(0, 80))"
    )
    return [(name, width, f"{wide} px wide")] * (wide > width) + [(name, width, s) for s in small]
