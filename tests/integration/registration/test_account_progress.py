"""The page of who waits for an account: it asks again by itself, can be told not to, and always ends."""

import pytest

from identity.core.nodes import GONE_AFTER, Node
from identity.core.outbox import Lane
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD
from tests.worlds.visitors import heading, words
from tests.worlds.web_servers import carry_out

FORM = {"display_name": "Camille Durand", "password": PASSWORD, "password_again": PASSWORD}


@pytest.fixture
def waiting(site, ana):
    """Ana has sent the form, and no worker has come to it yet."""
    ana.confirm(site)
    answer = ana.send("/account/1", **FORM)
    assert (answer.status_code, answer.location) == (303, "/account/1/progress")
    ana.services = None
    return ana


@pytest.mark.parametrize(
    ("language", "says"),
    [("fr", "Nous créons votre compte"), ("en", "We are creating your account")],
)
def test_the_page_asks_for_itself_again_until_the_account_stands(site, waiting, language, says):
    page = waiting.get(f"/account/1/progress?lang={language}")
    assert heading(page) == says
    assert int(page.headers["Refresh"]) > 0
    assert page.headers["Cache-Control"] == "no-store"
    assert 'role="status"' in page.text
    carry_out(site.services, Lane.ACCOUNTS)
    waiting.get("/account/1/progress")
    assert waiting.at == "/account/1/done"


def test_it_can_be_told_to_stop_asking_and_asked_by_hand(waiting):
    still = waiting.get("/account/1/progress?still=1")
    assert "Refresh" not in still.headers
    assert 'href="/account/1/progress"' in still.text
    assert "still" not in still.text.partition("<main")[2].partition("</main")[0]
    assert 'still=1"' in waiting.get("/account/1/progress").text


def test_it_asks_less_often_after_a_while(waiting, clock):
    soon = int(waiting.get("/account/1/progress").headers["Refresh"])
    clock.advance(seconds=20)
    assert int(waiting.get("/account/1/progress").headers["Refresh"]) > soon


def test_a_second_form_of_the_same_person_waits_for_the_first(site, waiting):
    assert waiting.send("/account/1", **FORM).location == "/account/1/progress"
    assert heading(waiting.get("/account/1")) == "Nous créons votre compte"
    carry_out(site.services, Lane.ACCOUNTS)
    assert len(site.server.made) == 1


def test_after_a_minute_without_a_worker_the_password_is_asked_for_again(site, waiting, clock):
    clock.advance(seconds=60)
    page = waiting.get("/account/1/progress")
    assert waiting.at == "/account/1"
    assert "Votre mot de passe n’a pas été gardé" in words(page)
    assert 'value="Camille Durand"' in page.text
    assert PASSWORD not in page.text
    waiting.services = site.services
    assert heading(waiting.post("/account/1", **FORM)) == "Bienvenue"


def test_nobody_else_sees_it(waiting, phone):
    assert phone.get("/account/1/progress").status_code == 404


def test_without_a_form_sent_there_is_nothing_to_wait_for(site, ana):
    ana.confirm(site)
    ana.get("/account/1/progress")
    assert ana.at == "/account/1"


@pytest.mark.parametrize("path", ["/account/1/progress", "/account/1/progress?still=1"])
def test_before_the_proof_it_is_the_page_for_the_code(ana, path):
    ana.start()
    ana.get(path)
    assert ana.at == "/check/1"


def test_a_name_that_is_refused_is_said_so(site, waiting):
    site.server.name_taken = True
    carry_out(site.services, Lane.ACCOUNTS)
    page = waiting.get("/account/1/progress")
    assert page.status_code == 409
    assert "Refresh" not in page.headers


def test_where_no_worker_lives_the_server_is_away_at_once_and_the_proof_is_kept(site, ana, clock):
    ana.confirm(site)
    with site.services.database.transaction() as session:
        session.query(Node).update({"seen_at": clock() - GONE_AFTER})
    page = ana.post("/account/1", **FORM)
    assert ana.at == "/account/1/waiting"
    assert "vous n’aurez pas à recommencer" in words(page)
    with site.services.database.transaction() as session:
        session.query(Node).update({"seen_at": clock()})
    assert heading(ana.post("/account/1", **FORM)) == "Bienvenue"
