"""/my-server answers by domain, whoever asks and for whomever."""

import pytest

from tests.worlds.pages import *
from tests.worlds.visitors import heading, words


@pytest.mark.parametrize(
    "typed", ["camille@ac-rouen.example", "@ac-rouen.example", " AC-Rouen.example "]
)
def test_an_address_or_a_domain_leads_to_the_server(ana, typed):
    answer = ana.post("/my-server", q=typed)
    assert ana.at == "/my-server?q=ac-rouen.example"
    assert "@ac-rouen.example sont rattachées au serveur « Éducation nationale »" in words(answer)
    assert "education.example" in words(answer)
    assert "camille" not in answer.text


def test_a_link_with_an_address_answers_by_its_domain(ana):
    answer = ana.get("/my-server?q=camille@ac-rouen.example")
    assert "camille" not in words(answer)
    assert 'value="ac-rouen.example"' in answer.text


def test_a_sibling_names_the_domain_to_use(ana):
    assert "l’adresse @ac-rouen.example" in words(ana.get("/my-server?q=@ac-normandie.example"))


@pytest.mark.parametrize("q", ["asso.example", "gil@association.example", "association.example"])
def test_other_domains_are_not_open_and_exact_addresses_are_not_told(ana, q):
    answer = ana.get(f"/my-server?q={q}")
    assert "ne permettent pas encore de créer un compte" in words(answer)
    assert "Invités" not in words(answer)


@pytest.mark.parametrize("q", ["x", "@", "a@b@", "rouen..example", "1.2.3.4"])
def test_what_is_no_domain_is_said_at_the_field(ana, q):
    answer = ana.get(f"/my-server?q={q}")
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text


def test_the_french_name_of_the_page_leads_there(ana):
    assert heading(ana.get("/mon-serveur?lang=en&q=ac-rouen.example")) == "Which server am I on?"
    assert ana.at == "/my-server?lang=en&q=ac-rouen.example"
