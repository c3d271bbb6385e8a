"""The pages in Chromium: whole journeys without JavaScript, and what a mail scanner can do with it."""

from email.message import EmailMessage
from email.utils import format_datetime

from playwright.sync_api import expect

from identity.core.outbox import Lane
from tests.worlds.in_chromium import *
from tests.worlds.mail_files import keep_mail
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD
from tests.worlds.web_servers import carry_out

ADDRESS = "camille.durand@ac-rouen.example"


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
    expect(heading(ana.desk)).to_have_text("Bienvenue")  # it asked by itself
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
