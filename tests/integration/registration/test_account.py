"""/account/<n>: a name, a password, and the account on its homeserver."""

from html import unescape

import pytest

from identity.homeservers.models import Homeserver
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD
from tests.worlds.visitors import heading, title, words

FORM = {"display_name": "Camille Durand", "password": PASSWORD, "password_again": PASSWORD}


def test_the_server_is_named_and_a_name_proposed(site, ana):
    answer = ana.confirm(site)
    assert "@ac-rouen.example sont rattachées au serveur « Éducation nationale »" in words(answer)
    assert 'value="Camille Durand [Rouen]"' in answer.text
    assert answer.text.count('autocomplete="new-password"') == 2


def test_an_account_is_made_and_the_welcome_says_what_to_keep(site, ana):
    ana.confirm(site)
    answer = ana.post("/account/1", **FORM)
    assert ana.at == "/account/1/done"
    [(user_id, name)] = site.server.made
    assert name == "Camille Durand"
    assert user_id in words(answer)
    assert "education.example" in words(answer)
    assert "code de récupération" in words(answer)
    assert 'href="https://app.element.io"' in answer.text
    assert ana.post("/account/1", **FORM).status_code == 200  # pressed twice: the welcome again
    assert len(site.server.made) == 1
    assert ana.at == "/account/1/done"


def test_a_link_too_long_for_a_code_stays_a_link(site, ana):
    with site.services.database.transaction() as session:
        row = session.get_one(Homeserver, "education.example")
        row.phone_url = f"https://m.example/?way={'a' * 3_000}"
    ana.confirm(site)
    answer = ana.post("/account/1", **FORM)
    assert (answer.status_code, ana.at) == (200, "/account/1/done")
    assert f'href="{row.phone_url}"' in answer.text
    assert 'class="tap"' not in answer.text  # which a computer would hide
    assert "<svg" not in answer.text.partition("<main")[2]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("https://m.example/?account_provider={server_name}", "y est déjà choisi"),
        ("https://m.example/?hs_url={homeserver_url}", "y est déjà choisi"),
        ("https://m.example/?account_provider=education.example", "y est déjà choisi"),
        ("https://m.example/store", "Indiquez-y le serveur education.example"),
    ],
)
def test_the_app_has_the_server_only_if_the_link_names_it(site, ana, template, said):
    with site.services.database.transaction() as session:
        session.get_one(Homeserver, "education.example").phone_url = template
    ana.confirm(site)
    assert said in words(ana.post("/account/1", **FORM))


def test_after_the_account_the_links_have_nothing_left_to_do(site, ana, phone):
    ana.start()
    code = site.code()
    ana.post("/check/1", code=code)
    ana.post("/account/1", **FORM)
    here = ana.get(site.link())
    assert heading(here) == "Votre adresse est déjà confirmée"
    assert "/account/1/done" in here.text
    assert heading(phone.get(site.link())) == "Saisissez le code du courriel"
    there = phone.post(site.link(), code=code)
    assert heading(there) == "Votre adresse est déjà confirmée"
    assert "/account/1/done" not in there.text
    refuse = site.link(purpose="not_me")
    assert "Un compte existe" not in words(phone.get(refuse))
    assert "Un compte existe avec cette adresse." in words(phone.post(refuse, code=code))


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"password": "court", "password_again": "court"}, "password", "12 caractères ou plus"),
        (
            {"password": "camille.durand.2027", "password_again": "camille.durand.2027"},
            "password",
            "sans votre nom",
        ),
        (
            {"password": "motdepasse123", "password_again": "motdepasse123"},
            "password",
            "se devine facilement",
        ),
        ({"password_again": "autre chose ici"}, "password_again", "sont différents"),
        ({"display_name": "   "}, "display_name", "Saisissez un nom"),
        ({"display_name": "x" * 300}, "display_name", "Saisissez un nom"),
    ],
)
def test_what_will_not_do_is_said_beside_its_field(site, ana, fields, field, said):
    ana.confirm(site)
    answer = ana.send("/account/1", **{**FORM, **fields})
    assert answer.status_code == 400
    assert title(answer).startswith("Erreur\u00a0: Créez votre compte")
    assert f'href="#{field}"' in answer.text
    assert said in words(answer)
    assert (fields.get("display_name") or "Camille Durand") in unescape(answer.text)
    assert FORM["password"] not in answer.text
    assert fields.get("password", PASSWORD) not in answer.text
    assert site.server.made == []


def test_a_server_that_does_not_answer_costs_nobody_the_proof(site, ana):
    site.server.away = True
    ana.confirm(site)
    answer = ana.post("/account/1", **FORM)
    assert ana.at == "/account/1/waiting"
    assert "Votre adresse est confirmée, vous n’aurez pas à recommencer." in words(answer)
    assert "« Éducation nationale »" in words(answer)
    site.server.away = False
    assert heading(ana.post("/account/1", **FORM)) == "Bienvenue"


def test_an_address_the_server_knows_already_leads_to_signing_in(site, ana):
    site.server.holds_address = True
    ana.confirm(site)
    answer = ana.post("/account/1", **FORM)
    assert heading(answer) == "Vous avez déjà un compte"
    assert "Rien n’a été modifié." in words(answer)


def test_where_the_server_makes_its_own_accounts_no_password_is_asked(site, ana):
    answer = ana.confirm(site, email="jean@interieur.example")
    assert "Ministère de l’Intérieur" in words(answer)
    assert "interieur.example" in words(answer)
    assert 'type="password"' not in answer.text
    assert 'href="https://app.element.io"' in answer.text


def test_a_guest_is_told_of_the_guests_server(site, ana):
    answer = ana.confirm(site, email="gil@association.example")
    assert "Votre compte d’invité se crée sur le serveur « Invités »." in words(answer)


def test_there_is_no_account_page_before_the_proof(site, ana):
    ana.start()
    for path in ("/account/1", "/account/1/done", "/account/1/waiting", "/account/1/taken"):
        assert heading(ana.get(path)) == "Consultez votre messagerie"
    assert heading(ana.post("/account/1", **FORM)) == "Consultez votre messagerie"
    assert site.server.made == []
