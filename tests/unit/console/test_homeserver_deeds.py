"""What operators do to a homeserver: hold, suspend, edit, a new credential; and how it answers."""

import re
from datetime import timedelta

from identity.homeservers import credentials, health_models, models as homeservers, standing
from tests.worlds.console import *
from tests.worlds.things import *
from tests.worlds.things import WHY
from tests.worlds.visitors import heading, words


def test_a_homeserver_is_held_and_let_go_suspended_and_resumed(
    sign_in, ines, ada, services, clock, last_row
):
    browser = sign_in(ines)
    page = browser.get("/admin/homeservers/education.example")
    assert (heading(page), "open" in words(page)) == ("education.example", True)
    browser.post("/admin/homeservers/education.example/hold", hours="4", reason=WHY)
    with services.database.reading() as session:
        row = homeservers.find(session, "education.example")
    assert row.held_until == clock() + timedelta(hours=4)
    assert not standing.is_reachable(row, clock())
    held = words(browser.get("/admin/incidents"))
    assert "education.example held" in held
    browser.post("/admin/homeservers/education.example/release", reason=WHY)
    assert last_row().action == "homeserver.release"
    admin = sign_in(ada)
    admin.get("/admin/homeservers/education.example")
    admin.post("/admin/homeservers/education.example/suspend", reason=WHY)
    again = admin.post("/admin/homeservers/education.example/suspend", reason=WHY)
    assert "It was so already. Nothing was changed." in words(again)
    admin.post("/admin/homeservers/education.example/resume", reason=WHY)
    assert (last_row().action, last_row().reason) == ("homeserver.resume", WHY)


def test_a_new_credential_is_shown_once_and_the_old_one_lives_a_day(sign_in, ada, services, clock):
    with services.database.transaction() as session:
        old = credentials.issue(session, clock(), homeserver="education.example")
    browser = sign_in(ada)
    browser.get("/admin/homeservers/education.example")
    page = browser.post("/admin/homeservers/education.example/credential", reason=WHY)
    new = re.search(r"guichet_[\w-]{40,}", page.text)[0]
    assert new not in browser.get("/admin/homeservers/education.example").text
    with services.database.reading() as session:
        assert credentials.homeserver_of(session, new, clock()) == "education.example"
        assert credentials.homeserver_of(session, old, clock()) == "education.example"
        later = clock() + timedelta(hours=25)
        assert credentials.homeserver_of(session, old, later) is None


def test_a_homeserver_is_edited_and_what_cannot_be_is_told_with_what_was_typed(
    sign_in, ada, services, clock, last_row
):
    browser = sign_in(ada)
    page = browser.get("/admin/homeservers/education.example/edit")
    assert 'value="http://127.0.0.1:1"' in page.text
    fields = {"url": "http://127.0.0.1:1", "class_source": "agent", "reason": WHY}
    path = "/admin/homeservers/education.example/edit"
    wrong = browser.post(path, **fields | {"url": "ftp://x", "label": "Rouen"})
    assert wrong.status_code == 400
    assert 'value="Rouen"' in wrong.text
    browser.post(path, label="Rouen", federation_url="https://fed.example", **fields)
    assert last_row().action == "homeserver.set"
    with services.database.reading() as session:
        row = homeservers.find(session, "education.example")
    assert (row.label, row.federation_url) == ("Rouen", "https://fed.example")


def test_links_to_clients_are_templates_of_what_is_known(sign_in, ada, services):
    browser = sign_in(ada)
    path = "/admin/homeservers/education.example/edit"
    fields = {"label": "Rouen", "url": "http://127.0.0.1:1", "class_source": "agent", "reason": WHY}
    assert "{homeserver_url}, {server_name}, {user_id}, {room_id}" in browser.get(path).text
    wrong = browser.post(path, **fields, client_url="https://chat.example/?u={name}")
    assert wrong.status_code == 400
    assert "the client URL knows no {name}" in wrong.text
    links = {
        "base_url": "https://matrix.example",
        "client_url": "https://chat.example/?hs={homeserver_url}",
        "phone_url": "https://m.example/?user={user_id}",
    }
    browser.post(path, **fields, **links)
    with services.database.reading() as session:
        row = homeservers.find(session, "education.example")
    assert {field: getattr(row, field) for field in links} == links
    shown = browser.get("/admin/homeservers/education.example").text
    assert all(link in shown for link in links.values())


def test_how_a_homeserver_answers_is_shown_by_the_hour(sign_in, vera, services, clock):
    with services.database.transaction() as session:
        for minutes, taken in ((0, 84), (5, None), (70, 1800), (60 * 25, 1)):
            at = clock() - timedelta(minutes=minutes)
            health_models.record(session, at, "education.example", taken)
    browser = sign_in(vera)
    page = words(browser.get("/admin/homeservers/education.example"))
    assert "84 ms at" in page
    assert "1800 ms (slow)" in page
    assert "84 ms at" in words(browser.get("/admin/homeservers"))
    with services.database.transaction() as session:
        health_models.record(session, clock(), "education.example", 1)
        assert len(health_models.find(session, "education.example")) == 3  # 25 hours ago: forgotten
