"""/check/<n>: the code, the mail once more, and the ways out."""

import pytest

from tests.worlds.pages import *
from tests.worlds.visitors import heading, title, words


@pytest.mark.parametrize("written", ["{0}", " {0} ", "{1} {2}", "{1}-{2}", "fullwidth"])
def test_the_code_is_taken_however_it_is_written(site, ana, written):
    ana.start()
    code = site.code()
    typed = written.format(code, code[:4], code[4:])
    if written == "fullwidth":
        typed = code.translate({ord(str(n)): 0xFF10 + n for n in range(10)})
    assert heading(ana.post("/check/1", code=typed)) == "Créez votre compte"
    assert ana.at == "/account/1"


def test_the_cookie_is_renewed_by_the_proof_and_the_old_one_opens_nothing(site, ana, phone):
    ana.start()
    old = ana.client.get_cookie("vr").value
    ana.post("/check/1", code=site.code())
    assert ana.client.get_cookie("vr").value != old
    phone.client.set_cookie("vr", old)
    assert phone.get("/account/1").status_code == 404
    assert ana.get("/account/1").status_code == 200


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "Ce code ne correspond pas. Vérifiez le dernier courriel reçu. Il reste 4 essais."),
        ("en", "This code does not match. Check the latest email. 4 tries left."),
    ],
)
def test_a_wrong_code_says_how_many_tries_are_left(site, language, said):
    ana = site.visitor(language)
    ana.start()
    answer = ana.send("/check/1", code=site.wrong_code())
    assert answer.status_code == 400
    assert words(answer).count(said) == 2
    assert title(answer).startswith(("Erreur", "Error"))


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "123456789", "my code", "1234567x"])
def test_what_is_no_code_is_said_and_counts_as_no_try(site, ana, typed):
    ana.start()
    answer = ana.send("/check/1", code=typed)
    assert answer.status_code == 400
    assert "Saisissez les 8 chiffres du code" in words(answer)
    assert f'value="{typed}"' in answer.text
    assert site.wrong_tries() == 0


def test_the_last_try_but_one_is_in_the_singular_and_then_the_link_of_the_mail_is_named(site, ana):
    ana.start()
    wrong = site.wrong_code()
    answers = [words(ana.send("/check/1", code=wrong)) for _ in range(5)]
    assert "Il reste 1 essai." in answers[3]
    assert "ouvrez le lien du courriel, il fonctionne toujours" in answers[4]
    assert ana.send("/check/1", code=site.code()).status_code == 400
    assert heading(ana.post(site.link())) == "Créez votre compte"


def test_a_code_of_six_digits_is_of_an_old_mail_and_no_try(site, ana):
    ana.start()
    answer = ana.send("/check/1", code="123 456")
    assert "Ce code à 6 chiffres vient d’un ancien courriel." in words(answer)
    assert site.wrong_tries() == 0


def test_before_its_mail_has_left_no_code_is_tried_and_the_page_says_so(site, ana):
    ana.start()
    answer = ana.send("/check/1", code="12345678")
    assert "Le courriel n’est pas encore parti." in words(answer)
    assert site.wrong_tries() == 0


def test_a_code_that_grew_old_is_replaced_and_the_page_says_so(site, ana, clock):
    ana.start()
    old = site.code()
    clock.advance(minutes=61)
    answer = ana.send("/check/1", code=old)
    assert "Ce code a expiré à 11 h 00 (heure de Paris)." in words(answer)
    assert "Nous venons d’en envoyer un nouveau." in words(answer)
    assert site.code() != old
    assert heading(ana.post("/check/1", code=site.code())) == "Créez votre compte"


def test_a_mail_asked_for_too_soon_leaves_as_soon_as_it_may_and_the_page_says_when(
    site, ana, clock
):
    ana.start()
    assert "Le prochain courriel partira à 10 h 01" in words(ana.post("/check/1/resend"))
    assert len(site.mails()) == 2
    assert "Le prochain courriel partira à 10 h 01" in words(ana.post("/check/1/resend"))
    assert len(site.mails()) == 2
    clock.advance(minutes=2)
    answer = ana.post("/check/1/resend")
    assert "Nouveau courriel demandé à 10 h 02 (heure de Paris)." in words(answer)
    # An earlier code may have been replaced: no promise is made for it.
    assert "Utilisez le code du courriel le plus récent." in words(answer)
    assert "disabled" not in answer.text


def test_the_day_is_named_when_it_is_another_one(site, ana, clock):
    ana.start()
    clock.advance(hours=20)
    assert "Courriel demandé à 10 h 00 le lundi 1 mars (heure de Paris)" in words(
        ana.get("/check/1")
    )
    assert "Email requested at 10:00 on Monday 1 March (Paris time)" in words(
        ana.get("/check/1?lang=en")
    )


def test_who_confirmed_by_the_link_goes_on_and_who_did_not_is_told(site, ana):
    answer = ana.start()
    assert "/check/1?notice=waiting" in answer.text
    assert "n’est pas encore confirmée dans ce navigateur" in words(
        ana.get("/check/1?notice=waiting")
    )
    ana.post(site.link())
    assert heading(ana.get("/check/1?notice=waiting")) == "Créez votre compte"


def test_a_cancelled_request_can_be_restored_for_a_week(site, ana, clock):
    ana.start()
    code = site.code()
    assert heading(ana.post("/check/1/not-me")) == "La demande est annulée"
    assert ana.send("/check/1", code=code).status_code == 303  # nothing is tried any more
    assert heading(ana.get("/check/1")) == "La demande est annulée"
    assert heading(ana.post("/check/1/undo")) == "Consultez votre messagerie"
    ana.post("/check/1/not-me")
    clock.advance(days=8)
    assert "Il n’est plus possible de rétablir" in words(ana.post("/check/1/undo"))


def test_an_expired_request_is_made_anew_with_one_button(site, ana, clock):
    ana.start()
    clock.advance(hours=25)
    answer = ana.get("/check/1")
    assert "a expiré le mardi 2 mars à 10 h 00 (heure de Paris)" in words(answer)
    assert 'name="email" value="camille.durand@ac-rouen.example"' in answer.text
    assert heading(ana.start()) == "Consultez votre messagerie"
    assert ana.at == "/check/2"


@pytest.mark.parametrize("path", ["/check/1", "/account/1", "/account/1/done", "/check/999999"])
def test_a_request_of_another_browser_is_no_request(site, ana, phone, path):
    ana.start()
    phone.start("gil@ac-rouen.example")
    stranger = site.visitor()
    answer = stranger.get(path)
    assert answer.status_code == 404
    assert "Ce navigateur ne connaît pas cette demande." in words(answer)
    assert "camille" not in answer.text
    for act in ("", "/resend", "/not-me", "/undo"):
        assert stranger.send(f"/check/1{act}", code="12345678").status_code == 404
    assert {request.state for request in site.all()} == {"open"}
