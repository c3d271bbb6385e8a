"""/v/<token> and /n/<token>: the link moves nothing by itself."""

import pytest

from tests.worlds.pages import *
from tests.worlds.visitors import heading, title, words

ELSEWHERE = "Saisissez le code du courriel"


def test_the_browser_that_asked_confirms_with_a_button(site, ana):
    ana.start()
    answer = ana.get(site.link())
    assert heading(answer) == "Confirmez votre adresse"
    assert "Confirmez que camille.durand@ac-rouen.example est à vous." in words(answer)
    assert site.newest().state == "open"
    assert heading(ana.post(site.link())) == "Créez votre compte"
    assert site.newest().state == "confirmed"


@pytest.mark.parametrize("tail", [".", ",", ">", ")", "]", ".)", "?utm_source=x"])
def test_what_a_mail_program_hangs_on_the_link_does_no_harm(site, ana, tail):
    ana.start()
    assert heading(ana.get(site.link() + tail)) == "Confirmez votre adresse"


def test_any_other_browser_types_the_code_and_goes_on_by_itself(site, ana, phone):
    ana.start()
    first, link, code = site.newest(), site.link(), site.code()
    answer = phone.get(link)
    assert heading(answer) == ELSEWHERE
    assert "camille" not in answer.text
    assert heading(phone.post(link, code=code)) == "Créez votre compte"
    assert phone.at == "/account/1"
    assert {request.id: request.state for request in site.all()}[first.id] == "open"
    assert heading(ana.get("/check/1")) == "Consultez votre messagerie"


def test_a_code_confirms_one_browser_and_the_next_one_needs_a_new_mail(site, ana, phone, clock):
    ana.start()
    first, link, code = site.newest(), site.link(), site.code()
    phone.post(link, code=code)
    answer = ana.send("/check/1", code=code)
    assert "Ce code a déjà servi dans un autre navigateur." in words(answer)
    assert "Le prochain courriel partira à 10 h 01" in words(answer)
    clock.advance(minutes=1)
    assert site.code(first) != code
    assert heading(ana.post("/check/1", code=site.code(first))) == "Créez votre compte"


def test_pressing_the_button_without_the_cookie_confirms_nothing(site, ana, phone):
    ana.start()
    for _ in range(7):
        answer = phone.send(site.link())
        assert answer.status_code == 400
    assert site.wrong_tries() == 0  # a scanner uses up nobody's tries
    assert title(answer).startswith("Erreur")
    assert "camille" not in answer.text
    assert [request.state for request in site.all()] == ["open"]


def test_who_holds_the_link_has_tries_that_nobody_else_uses_up(site, ana, phone):
    ana.start()
    wrong = site.wrong_code()
    for _ in range(5):
        ana.send("/check/1", code=wrong)
    assert "Il reste 4 essais." in words(phone.send(site.link(), code=wrong))
    assert heading(phone.post(site.link(), code=site.code())) == "Créez votre compte"


def test_an_expired_link_says_since_when_and_offers_a_new_one(site, ana, phone, clock):
    ana.start()
    clock.advance(hours=24)
    here, there = ana.get(site.link()), phone.get(site.link())
    assert heading(here) == heading(there) == "Ce lien a expiré"
    assert "le mardi 2 mars à 10 h 00 (heure de Paris)" in words(here)
    assert 'value="camille.durand@ac-rouen.example"' in here.text
    assert "camille" not in there.text
    assert 'href="/start"' in there.text


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_cut_link_leads_back_to_the_code(site, ana, cut):
    ana.start()
    answer = ana.get(site.link()[:-cut])
    assert answer.status_code == 404
    assert heading(answer) == "Ce lien est incomplet"
    assert 'href="/start"' in answer.text


def test_a_link_made_for_one_purpose_serves_no_other(site, ana):
    ana.start()
    verify, refuse = site.link(), site.link(purpose="not_me")
    assert ana.get("/n/" + verify.removeprefix("/v/")).status_code == 404
    assert ana.get("/v/" + refuse.removeprefix("/n/")).status_code == 404


def test_a_link_used_before_says_that_nothing_is_left_to_do(site, ana, phone):
    ana.confirm(site)
    assert heading(ana.get(site.link())) == "Votre adresse est déjà confirmée"
    assert 'href="/account/1"' in ana.get(site.link()).text
    assert heading(phone.get(site.link())) == ELSEWHERE


def test_a_cancelled_link_is_dead_everywhere(site, ana, phone):
    ana.start()
    link, code = site.link(), site.code()
    ana.post("/check/1/not-me")
    assert heading(ana.get(link)) == heading(phone.get(link)) == "La demande est annulée"
    assert heading(phone.post(link, code=code)) == "La demande est annulée"
    assert len(site.all()) == 1


def test_not_me_is_one_button_where_it_was_asked_and_can_be_undone(site, ana):
    ana.start()
    link = site.link(purpose="not_me")
    assert heading(ana.get(link)) == "Vous n’avez rien demandé ?"
    assert site.newest().state == "open"
    done = ana.post(link)
    assert "votre adresse n’a pas été utilisée" in words(done)
    assert 'name="code"' not in done.text
    assert "La demande est rétablie." in words(ana.post(link, undo="1"))
    assert site.newest().state == "open"


def test_not_me_needs_the_code_anywhere_else_and_can_be_undone_with_it(site, ana, phone):
    ana.start()
    link, code = site.link(purpose="not_me"), site.code()
    assert phone.send(link).status_code == 400
    assert site.newest().state == "open"
    assert "Il reste 4 essais." in words(phone.send(link, code=site.wrong_code()))
    assert heading(phone.post(link, code=code)) == "La demande est annulée"
    assert phone.send(link, undo="1").status_code == 400
    assert site.newest().refused_at is not None
    assert heading(ana.get("/check/1")) == "Consultez votre messagerie"
    assert "La demande est rétablie." in words(phone.post(link, undo="1", code=code))
    assert site.newest().refused_at is None


def test_not_me_on_a_finished_request_says_what_it_came_to(site, ana, clock):
    ana.start()
    link = site.link(purpose="not_me")
    clock.advance(hours=25)
    answer = ana.get(link)
    assert heading(answer) == "Cette demande est terminée"
    assert "<form" not in answer.text
    assert ana.send(link, code="1").status_code == 303


def test_a_mailed_link_opens_in_the_language_of_its_mail(site, phone):
    ben = site.visitor("en")
    ben.start()
    assert heading(phone.get(site.link())) == "Type the code of the email"
    assert heading(phone.get(site.link() + "?lang=fr")) == ELSEWHERE
