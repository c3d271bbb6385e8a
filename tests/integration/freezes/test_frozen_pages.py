"""What people and programs are told of what is frozen, at every entrance."""

import re
from datetime import timedelta

import pytest

from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.homeservers import changing as homeserver_changes
from identity.mail import models as mails
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD
from tests.worlds.visitors import heading, words
from tests.worlds.web_servers import carry_out

OLGA = Actor("Olga", "here", "an incident")


@pytest.fixture
def freeze(site):
    def freeze(what, **facts):
        with site.services.database.transaction() as session:
            freezes.freeze(session, site.clock(), OLGA, what, **facts)

    return freeze


@pytest.fixture
def thaw(site):
    def thaw(what, **facts):
        with site.services.database.transaction() as session:
            assert freezes.thaw(session, site.clock(), OLGA, what, **facts)

    return thaw


def test_frozen_sign_ups_are_said_before_anybody_types_and_nothing_is_kept(site, ana, freeze):
    freeze(Frozen.SIGN_UPS, until=site.clock() + timedelta(hours=2))
    shown = ana.get("/start")
    assert (shown.status_code, heading(shown)) == (503, "Arrêté pour le moment")
    assert shown.headers["Retry-After"] == "7200"
    assert "Les inscriptions sont suspendues par l’équipe du service" in words(shown)
    assert "12 h" in words(shown)  # Paris
    english = site.visitor("en").get("/start")
    assert "has suspended sign-ups" in words(english)
    assert site.all() == []


def test_who_had_the_form_open_is_told_as_well_and_without_an_end_nothing_is_promised(
    site, ana, freeze
):
    token = ana.client.get("/start")
    token = re.search(r'name="csrf_token" value="([^"]+)"', token.text)[1]
    freeze(Frozen.SIGN_UPS)
    fields = {"csrf_token": token, "email": "camille.durand@ac-rouen.example"}
    refused = ana.client.post("/start", data=fields, headers=ana.headers)
    assert refused.status_code == 503
    assert "Retry-After" not in refused.headers
    assert "Nous ne savons pas encore" in words(refused)
    assert site.all() == []


def test_a_code_under_way_confirms_and_the_account_waits_for_the_thaw(site, ana, freeze, thaw):
    ana.start()
    code = site.code()
    token = ana.client.get("/start").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', token)[1]
    freeze(Frozen.SIGN_UPS)
    sent = {"csrf_token": token, "code": code}
    typed = ana.client.post("/check/1", data=sent, headers=ana.headers)
    assert typed.status_code == 303
    assert ana.get("/account/1").status_code == 503
    made = ana.client.post(
        "/account/1",
        data={"csrf_token": token, "display_name": "Camille", "password": PASSWORD},
        headers=ana.headers,
    )
    assert made.status_code == 503
    carry_out(site.services, Lane.ACCOUNTS)
    assert site.server.made == []
    thaw(Frozen.SIGN_UPS)
    assert ana.get("/account/1").status_code == 200


def test_no_further_code_is_mailed_while_sign_ups_are_frozen(site, ana, freeze):
    ana.start()
    token = re.search(r'name="csrf_token" value="([^"]+)"', ana.client.get("/start").text)[1]
    freeze(Frozen.SIGN_UPS)
    before = site.mails()
    again = ana.client.post("/check/1/resend", data={"csrf_token": token}, headers=ana.headers)
    assert again.status_code == 503
    assert site.mails() == before


def test_a_frozen_domain_is_said_of_its_addresses_alone(site, ana, freeze):
    freeze(Frozen.DOMAIN, domain="ac-rouen.example")
    refused = ana.start("camille.durand@ac-rouen.example")
    assert refused.status_code == 503
    assert "pour le domaine de cette adresse" in words(refused)
    assert site.visitor().start("luc@interieur.example").status_code == 200


def test_frozen_mails_wait_the_page_says_so_and_the_newest_code_leaves(site, ana, freeze, thaw):
    freeze(Frozen.MAILS)
    shown = ana.start()
    assert "retient les courriels" in words(shown)
    site.post()
    assert list(site.services.settings.mail_dir.glob("*")) == []
    site.clock.advance(minutes=2)
    assert "retient les courriels" in words(ana.post("/check/1/resend"))
    site.post()
    site.clock.advance(hours=3)
    thaw(Frozen.MAILS)
    answer = ana.post("/check/1", code=site.code())
    assert answer.status_code == 200
    assert ana.at == "/account/1", "the code counts from when its mail left"
    with site.services.database.reading() as session:
        found = mails.find_recent(session)
    states = [mail.state for mail in found if mail.template == "verify"]
    assert sorted(states) == ["dropped", "handed"]


def test_an_invited_person_reads_why_no_code_is_mailed(site, freeze):
    site.invited()
    phone = site.visitor()
    page = site.mailed()
    token = re.search(r'name="csrf_token" value="([^"]+)"', phone.client.get("/start").text)[1]
    freeze(Frozen.DOMAIN, domain="asso.example")
    asked = phone.client.post(page, data={"csrf_token": token, "send": "1"}, headers=phone.headers)
    assert asked.status_code == 503


@pytest.mark.parametrize("verb", ["suspend", "retire"])
def test_a_homeserver_that_takes_nobody_is_said_before_a_mail_leaves(site, ana, verb):
    with site.services.database.transaction() as session:
        act = getattr(homeserver_changes, verb)
        act(session, site.clock(), OLGA, "education.example")
    refused = ana.start()
    assert refused.status_code == (503 if verb == "suspend" else 403)
    said = "« Éducation nationale »" if verb == "suspend" else "ne prend plus de nouveaux comptes"
    assert said in words(refused)
    assert site.mails() == []


def test_while_its_homeserver_is_held_a_confirmed_person_reads_so_and_gets_a_mail(site, ana):
    ana.confirm(site)
    with site.services.database.transaction() as session:
        homeserver_changes.hold(session, site.clock(), OLGA, "education.example")
    site.server.probe = lambda: None
    waiting = ana.post("/account/1", display_name="Camille", password=PASSWORD)
    assert ana.at == "/account/1/waiting"
    assert "mis en pause" in words(waiting)
    for _ in range(3):
        carry_out(site.services, Lane.BULK)
        site.clock.advance(hours=20)
    assert "server_ready" not in site.mails()
    with site.services.database.transaction() as session:
        assert homeserver_changes.release(session, site.clock(), OLGA, "education.example") == 1
    carry_out(site.services, Lane.BULK)
    assert site.mails()[-1] == "server_ready"
