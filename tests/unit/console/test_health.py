"""What doctor found, as operators read it; the menu, and what this version is."""

import re
from datetime import timedelta

from identity.core.code_version import code_version
from identity.core.findings import Finding, State, found as finding_of
from identity.core.outbox import Job, JobKind
from identity.health import finding_models, jobs as health
from identity.homeservers import health_models
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.visitors import words


def test_what_doctor_found_is_shown_with_what_mends_it(sign_in, vera, services, clock):
    browser = sign_in(vera)
    assert "Nothing was checked yet." in words(browser.get("/admin/health"))
    found = [
        Finding("database", State.OK, "schema 1"),
        Finding("relay", State.FAILED, "it does not answer", "check GUICHET_SMTP_URL"),
    ]
    for findings in (found * 3, found):
        with services.database.transaction() as session:
            finding_models.replace(session, clock(), findings)
    page = words(browser.get("/admin/health"))
    assert "1 of 2 points needs you" in page
    assert "relay failed it does not answer check GUICHET_SMTP_URL" in page
    assert "Nothing was checked since" not in page
    clock.advance(minutes=16)
    assert "Nothing was checked since" in words(browser.get("/admin/health"))


def test_what_doctor_found_is_said_in_the_language_of_the_reader(sign_in, vera, services, clock):
    found = [
        finding_of("jobs", State.OK, "jobs", n=3),
        finding_of("relay", State.FAILED, "relay_wrong", reply="535 <b>no</b>"),
        finding_of("education.example", State.ATTENTION, "module_old"),
        Finding("disk", State.ATTENTION, "no code", "an older version found this"),
        Finding("mails", State.OK, "of a later version", code="unheard", values={}),
    ]
    with services.database.transaction() as session:
        finding_models.replace(session, clock(), found)
    page = sign_in(vera, language="fr").get("/admin/health")
    french = words(page)
    assert "tâches en attente : 3" in french
    assert "relais de courriel en panne le serveur de messagerie ne convient pas : 535" in french
    assert "535 &lt;b&gt;no&lt;/b&gt;" in page.text
    assert "vérifier GUICHET_SMTP_URL" in french
    assert "education.example à regarder son module est d’une version plus ancienne" in french
    for english in ("no code", "an older version found this", "of a later version"):
        assert f'<span lang="en">{english}</span>' in page.text
    assert "its module is of an older version" not in french
    at_home = words(sign_in(vera, language="fr").get("/admin/homeservers/education.example"))
    assert "y mettre le module à la version de ce Guichet" in at_home


def test_a_check_that_is_asked_for_twice_runs_once(sign_in, vera, services):
    browser = sign_in(vera)
    browser.get("/admin/health")
    browser.post("/admin/health/look")
    browser.post("/admin/health/look")
    with services.database.reading() as session:
        jobs = session.query(Job).filter(Job.kind == JobKind.HEALTH).count()
    assert jobs == 1


def test_the_worker_looks_at_everything_and_keeps_what_it_found(services, clock):
    health.look(services)
    with services.database.reading() as session:
        found = {each.what for each in finding_models.find_all(session)}
        codes = [each.code for each in finding_models.find_all(session)]
        looks = health_models.find_last(session, clock() - timedelta(hours=1))
    assert {"database", "relay"} <= found
    assert all(codes)
    assert {name: look.milliseconds for name, look in looks.items()} == {
        "education.example": None,
        "guests.example": None,
    }


def test_the_menu_names_every_screen_that_somebody_may_open(sign_in, vera, make_operator):
    audit = make_operator("Audrey", Role.AUDITOR)
    seen = words(sign_in(vera).get("/admin/menu"))
    for name in ("Home", "Homeservers", "Invitations", "Mails", "Journal", "Incidents", "Health"):
        assert f" {name}" in seen
    own = sign_in(audit).get("/admin/menu").text
    listed = re.search(r'<ul class="ways">(.*?)</ul>', own, re.DOTALL)[1]
    screens = re.findall(r"/admin/(\w*)", listed)
    assert screens[:2] == ["", "journal"]
    assert not {"mails", "invitations", "homeservers", "incidents", "health"} & set(screens)


def test_about_says_which_version_this_is_and_what_it_does_not_do(sign_in, make_operator):
    page = words(sign_in(make_operator("Aude", Role.AUDITOR)).get("/admin/about"))
    assert f"Version of Guichet {code_version()}" in page
    assert "Passkeys Not offered" in page
    assert "What this version does not do yet Export by the API" in page
