"""Several browsers ask for one address: page and mail name them, one of them is confirmed, and the mailbox hears of it."""

import re

import pytest

from identity.mail import models as mails
from tests.worlds.pages import *
from tests.worlds.visitors import heading, words


@pytest.mark.parametrize("path", ["/start", "/start?invited=1", "/lists/sign-in"])
def test_a_first_page_gives_the_browser_its_id(site, path):
    visitor = site.visitor()
    assert visitor.get(path).status_code == 200
    cookie = visitor.client.get_cookie("vr").value
    visitor.get(path)
    assert visitor.client.get_cookie("vr").value == cookie


def test_two_tabs_and_a_double_click_are_one_browser_with_one_request(site, ana):
    form = re.search(r'name="csrf_token" value="([^"]+)"', ana.get("/start").text)[1]
    cookies = [ana.client.get_cookie(name) for name in ("vr", "session")]
    places = []
    for _ in range(3):  # each knows only what the first page gave
        tab = site.visitor()
        for cookie in cookies:
            tab.client.set_cookie(cookie.key, cookie.value)
        data = {"csrf_token": form, "email": "camille.durand@ac-rouen.example"}
        places.append(tab.client.post("/start", data=data, headers=tab.headers).location)
    assert places == ["/check/1"] * 3
    assert len(site.all()) == 1
    assert site.mails() == ["verify"]


def test_another_browser_within_the_minute_is_told_the_truth_and_the_code_works_there(
    site, firefox, edge, clock
):
    firefox.start()
    site.post()
    clock.advance(seconds=20)
    shown = words(edge.start())
    assert "Un courriel a été demandé à 10 h 00 (heure de Paris) dans un autre navigateur." in shown
    assert "Son code fonctionne aussi ici." in shown
    assert site.mails() == ["verify"]
    assert heading(edge.post("/check/1", code=site.code())) == "Créez votre compte"


def test_the_page_names_the_other_browsers_and_when(site, firefox, edge, clock):
    assert "saisie ailleurs" not in words(firefox.start())
    clock.advance(minutes=2)
    edge.start()
    assert "saisie ailleurs : Firefox, à 10 h 00 (heure de Paris)" in words(edge.get("/check/1"))
    assert "saisie ailleurs : Edge, à 10 h 02 (heure de Paris)" in words(firefox.get("/check/1"))
    english = words(firefox.get("/check/1?lang=en"))
    assert "This address was also typed elsewhere: Edge, at 10:02 (Paris time)" in english
    edge.post("/check/1/not-me")
    assert "saisie ailleurs" not in words(firefox.get("/check/1"))


def test_a_browser_of_no_known_family_is_another_browser(site, firefox):
    site.visitor().start()
    assert "Un autre navigateur, à 10 h 00" in words(firefox.start())


def newest_mail(site, template):
    with site.services.database.reading() as session:
        return next(mail for mail in mails.find_recent(session) if mail.template == template)


def test_the_mailbox_hears_that_its_code_was_used_and_can_say_that_it_was_not_its_owner(
    site, firefox, phone, clock
):
    firefox.start()
    code = site.code()
    firefox.post("/check/1", code=code)
    site.post()
    told = newest_mail(site, "code_used")
    assert (told.state, told.subject_id) == ("handed", site.newest().id)
    [written] = [
        path.read_text()
        for path in site.services.settings.mail_dir.rglob("*.eml")
        if str(told.id) in path.read_text()
    ]
    assert "Firefox" in written
    assert f"{site.link(purpose='not_me')}" in written.replace("=\n", "").replace("=3D", "=")
    clock.advance(hours=2)
    refuse = site.link(purpose="not_me")
    assert heading(phone.post(refuse, code=code)) == "La demande est annulée"
    assert heading(firefox.get("/account/1")) == "La demande est annulée"


def test_the_browser_that_was_confirmed_can_take_it_back_with_a_button(site, firefox):
    firefox.confirm(site)
    assert heading(firefox.post(site.link(purpose="not_me"))) == "La demande est annulée"


def test_when_an_account_was_made_who_has_the_code_is_told_whom_to_ask(site, firefox, phone):
    firefox.start()
    code = site.code()
    firefox.post("/check/1", code=code)
    with site.services.database.transaction() as session:
        session.merge(site.newest()).state = "used"
    refuse = site.link(purpose="not_me")
    assert heading(phone.get(refuse)) == "Vous n’avez rien demandé ?"
    answer = phone.post(refuse, code=code)
    assert heading(answer) == "Cette demande est terminée"
    assert 'href="/help#not-me"' in answer.text
