"""What holds for every page: headers, language, forms, and what is said when something is wrong."""

import re
from dataclasses import replace

import pytest
from sqlalchemy.exc import InternalError, OperationalError

from identity.app import create_app
from identity.web import page_errors as errors
from tests.worlds.pages import *
from tests.worlds.pages import Visitor
from tests.worlds.visitors import heading, title, words

PUBLIC = ["/", "/start", "/my-server", "/help", "/accessibility", "/legal"]


@pytest.fixture
def everywhere(site, ana, phone, clock):
    """An answer for every state a page can be in, by name. The walk of one person and her phone."""
    pages = {path: ana.get(path) for path in [*PUBLIC, "/start?invited=1", "/nowhere", "/v/cut"]}
    pages["found"] = ana.get("/my-server?q=ac-rouen.example")
    for name, email in {
        "typo": "ana@ac-ruoen.example",
        "sibling": "ana@ac-normandie.example",
        "not open": "gil@asso.example",
        "shared": "contact@ac-rouen.example",
        "fault": "ana",
        "check": "camille.durand@ac-rouen.example",
    }.items():
        pages[name] = ana.start(email)
    link, refuse = site.link(), site.link(purpose="not_me")
    pages["wrong code"] = ana.send("/check/1", code=site.wrong_code())
    pages["too soon"] = ana.post("/check/1/resend")
    pages["link here"], pages["link there"] = ana.get(link), phone.get(link)
    pages["not me here"], pages["not me there"] = ana.get(refuse), phone.get(refuse)
    pages["cancelled"] = ana.post("/check/1/not-me")
    pages["link cancelled"] = phone.get(link)
    pages["undo there"] = phone.get(refuse)
    ana.post("/check/1/undo")
    pages["account"] = ana.post(link)
    pages["link confirmed"] = ana.get(link)
    pages["weak password"] = ana.send("/account/1", display_name="Ana", password="x")
    site.server.away = True
    form = {"display_name": "Ana", "password": "lampe trottoir violette 9"}
    pages["server away"] = ana.post("/account/1", **form)
    site.server.away, site.server.holds_address = False, True
    pages["taken"] = ana.post("/account/1", **form)
    site.server.holds_address = False
    pages["done"] = ana.post("/account/1", **form)
    pages["link used"] = ana.get(link)
    pages["elsewhere"] = ana.confirm(site, email="jean@interieur.example")
    ana.start("late@ac-rouen.example")
    clock.advance(hours=25)
    return pages | too_late(site, ana, phone)


def too_late(site, ana, phone):
    return {
        "expired": ana.get(f"/check/{site.newest().ordinal}"),
        "link expired": phone.get(site.link()),
        "not me over": phone.get(site.link(purpose="not_me")),
        "form too old": ana.client.post("/start", data={"email": "a@ac-rouen.example"}),
        "nobody's request": phone.get("/check/77"),
    }


def test_every_page_has_one_heading_a_title_a_way_on_and_help(everywhere):
    for name, answer in everywhere.items():
        text = answer.text
        assert re.findall(r"<h1>", text) == ["<h1>"], name
        assert title(answer).replace("\u00a0", " ").endswith(f"{heading(answer)} – Guichet"), name
        main = text.partition("<main")[2].partition("</main>")[0]
        assert re.search(r'<button|class="button', main) or "<p><a href" in main, name
        assert '<a href="/help">Aide</a>' in text, name
        assert text.index('class="skip"') < text.index("<header"), name
        assert "Accessibilité" in text.partition("<footer")[2], name
    titles = {title(everywhere[path]) for path in PUBLIC}
    assert len(titles) == len(PUBLIC)


def test_every_page_forbids_what_it_does_not_need(everywhere):
    for name, answer in everywhere.items():
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, name
        assert "unsafe-inline" not in policy, name
        assert "frame-ancestors 'none'" in policy, name
        assert "form-action 'self'" in policy, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["Referrer-Policy"] == "no-referrer", name
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "camera=()" in answer.headers["Permissions-Policy"], name
        assert answer.headers["Cache-Control"] == "no-store", name
        assert "Accept-Language" in answer.headers["Vary"], name
        assert ("X-Robots-Tag" in answer.headers) == (
            name not in {*PUBLIC[:1], *PUBLIC[2:], "found"}
        )
        assert "Strict-Transport-Security" not in answer.headers, name
        assert not re.search(r"<style|<script|\sstyle=|\son\w+=", answer.text), name


def test_nothing_is_fetched_from_anybody_else(everywhere):
    for name, answer in everywhere.items():
        for tag in re.findall(r"<(?:link|script|img)[^>]*>", answer.text):
            assert re.search(r'(?:href|src)="/assets/', tag), name


def test_behind_tls_cookies_and_transport_are_strict(site):
    settings = site.services.settings.model_copy(update={"public_url": "https://guichet.example"})
    app = create_app(replace(site.services, settings=settings))
    visitor = Visitor(app, "fr")
    visitor.client.get("/start", base_url="https://guichet.example")
    token = re.search(
        r'csrf_token" value="([^"]+)"',
        visitor.client.get("/start", base_url="https://guichet.example").text,
    )[1]
    answer = visitor.client.post(
        "/start",
        base_url="https://guichet.example",
        data={"csrf_token": token, "email": "a@ac-rouen.example"},
    )
    assert answer.status_code == 303
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("__Host-vr="))
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("fr", "fr"),
        ("en-GB,en;q=0.9", "en"),
        ("de,en;q=0.3,fr;q=0.8", "fr"),
        ("fr;q=0,en;q=0.1", "en"),
        ("de", "fr"),
        ("", "fr"),
    ],
)
def test_the_language_is_the_one_the_browser_likes_best(site, accepted, language):
    assert f'<html lang="{language}">' in site.visitor(accepted).get("/").text


def test_a_language_once_picked_is_kept_through_forms_and_into_the_mail(site, ana):
    page = ana.get("/start?lang=en")
    assert 'action="/start?lang=en"' in page.text
    assert 'href="/start?lang=fr" hreflang="fr"' in page.text
    answer = ana.post("/start?lang=en", email="camille@ac-rouen.example")
    assert heading(answer) == "Check your mail"
    assert ana.at == "/check/1?lang=en"
    assert site.newest().language == "en"
    assert 'href="/help?lang=en"' in answer.text


def test_the_other_language_of_a_page_is_never_another_site(ana):
    answer = ana.client.get("//evil.example/x", headers={"Accept-Language": "fr"})
    assert 'href="//' not in answer.text


def test_a_form_too_old_keeps_what_was_typed_and_is_sent_by_pressing_once_more(site, ana):
    answer = ana.client.post(
        "/start?lang=fr", data={"email": "camille@ac-rouen.example", "invited": "1", "x": "y"}
    )
    assert answer.status_code == 400
    assert heading(answer) == "Confirmez votre envoi"
    assert 'value="camille@ac-rouen.example"' in answer.text
    assert 'name="invited" value="1"' in answer.text
    assert 'name="x"' not in answer.text
    assert site.all() == []


def test_a_form_too_old_never_shows_a_password(site, ana):
    ana.confirm(site)
    answer = ana.client.post("/account/1", data={"display_name": "Ana", "password": "a secret one"})
    assert 'value="Ana"' in answer.text
    assert "a secret one" not in answer.text
    assert answer.text.count('type="password"') == 2


@pytest.mark.parametrize("method", ["get", "post", "put"])
@pytest.mark.parametrize("path", ["/nowhere", "/check/x", "/a/b/c", "/_matrixx"])
def test_an_unknown_path_is_a_page_with_ways_on(ana, method, path):
    answer = getattr(ana.client, method)(path, headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert heading(answer) == "This page does not exist"
    assert 'href="/my-server"' in answer.text


def test_programs_are_not_answered_with_pages(ana):
    for path in ("/_matrix/identity/v2/nothing", "/api/nothing", "/_matrix", "/api"):
        answer = ana.client.get(path)
        assert answer.status_code == 404
        assert answer.json["errcode"] == "M_UNRECOGNIZED"


def test_a_form_beyond_all_measure_is_refused_with_a_page(ana):
    answer = ana.client.post("/start", data={"email": "a" * 2_000_000})
    assert answer.status_code == 413
    assert "Rien n’a été perdu." in words(answer)


def test_a_fault_of_ours_has_a_reference_that_stands_in_the_log_too(site, caplog):
    @dataclass_rules
    def broken():
        raise ZeroDivisionError

    app = create_app(replace(site.services, rules=broken))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = Visitor(app, "fr").get("/my-server?q=ac-rouen.example")
    assert answer.status_code == 500
    reference = re.search(r"Référence ([0-9a-f]{16})\.", words(answer))[1]
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("kind", [OperationalError, InternalError])
def test_a_database_that_is_away_is_said_so_with_a_time_to_come_back(site, kind):
    @dataclass_rules
    def away():
        raise kind("select 1", {}, ConnectionError())

    app = create_app(replace(site.services, rules=away))
    answer = Visitor(app, "en").get("/my-server?q=ac-rouen.example")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing was lost." in words(answer)


def dataclass_rules(current):
    """Rules whose reading goes wrong."""
    return type("Rules", (), {"current": staticmethod(current)})()


@pytest.mark.parametrize("kind", sorted(errors.ADVICE, key=lambda kind: kind.__name__))
def test_every_problem_becomes_a_page(site, kind):
    with site.app.test_request_context("/start"):
        answer = errors.answer_problem(kind.__new__(kind))
    assert answer.status_code == errors.ADVICE[kind].status
    assert 'class="button"' in answer.get_data(as_text=True)


def test_the_style_sheet_is_small_and_may_be_kept(ana):
    page = ana.get("/")
    [path] = re.findall(r'href="(/assets/guichet\.css[^"]*)"', page.text)
    with ana.client.get(path) as answer:
        assert len(answer.data) < 15_000
        assert "immutable" in answer.headers["Cache-Control"]
        assert "url(" not in answer.text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_looking_without_reading_changes_nothing(site, ana, method):
    ana.start()
    for path in (site.link(), site.link(purpose="not_me"), "/check/1", "/start"):
        assert ana.client.open(path, method=method).status_code == 200
    assert [request.state for request in site.all()] == ["open"]
