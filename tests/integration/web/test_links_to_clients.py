"""Where pages and mails lead to a Matrix client, templates are filled with what may be known there."""

import re
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path

import pytest

from identity.homeservers.models import Homeserver
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD

ROOT = Path(__file__).parents[3] / "identity"
PAIRS = "hs={homeserver_url}&server={server_name}&user={user_id}&room={room_id}"
EVERYBODY = "https://chat.example/"
OF_EDUCATION = "https://classroom.example/"
KNOWN = "hs=https%3A%2F%2Fmatrix.education.example&server=education.example"


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path, "_env_file": None, "client_url": f"{EVERYBODY}?{PAIRS}"}


@pytest.fixture
def chosen(site) -> None:
    """Education has a client of its own, behind a proxy; the others have that of the settings."""
    with site.services.database.transaction() as session:
        row = session.get_one(Homeserver, "education.example")
        row.base_url = "https://matrix.education.example"
        row.client_url = f"{OF_EDUCATION}?{PAIRS}"


def links(text: str) -> set[str]:
    found = re.findall(rf'(?:{EVERYBODY}|{OF_EDUCATION})[^\s"<]*', text)
    assert found, text
    return {unescape(each) for each in found}


def mailed(site) -> dict[str, str]:
    """The text of each mail that was sent, by its template."""
    site.post()
    messages = [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in site.services.settings.mail_dir.glob("*.eml")
    ]
    return {
        message["X-Guichet-Template"].partition(";")[0]: message.get_body(["plain"]).get_content()
        for message in messages
    }


def test_a_page_that_knows_no_homeserver_leads_to_the_client_alone(site, ana):
    site.invited()
    for path in ("/", "/start", site.mailed()):
        assert links(ana.get(path).text) == {EVERYBODY}


def test_a_page_that_anybody_may_open_names_the_homeserver_and_nobody(ana, chosen):
    page = ana.get("/my-server?q=ac-rouen.example").text
    assert links(page) == {f"{OF_EDUCATION}?{KNOWN}"}
    page = ana.get("/my-server?q=interieur.example").text
    assert links(page) == {f"{EVERYBODY}?hs=http%3A%2F%2F127.0.0.1%3A1&server=interieur.example"}


def test_who_has_made_an_account_is_led_to_their_own_homeserver(site, ana, phone, clock, chosen):
    ana.confirm(site)
    form = {"display_name": "Camille", "password": PASSWORD, "password_again": PASSWORD}
    site.server.holds_address = True
    taken = ana.post("/account/1", **form)
    site.server.holds_address = False
    done = ana.post("/account/1", **form)
    assert ana.at == "/account/1/done"
    clock.advance(minutes=5)  # for the limit of mails to one address
    phone.start()
    mails = mailed(site)
    for text in (taken.text, done.text, mails["welcome"], mails["exists"]):
        assert {each.partition("&user=")[0] for each in links(text)} == {f"{OF_EDUCATION}?{KNOWN}"}
        assert "{" not in "".join(links(text))
    assert "&user=" not in "".join(links(mails["exists"]))  # anybody may ask for this mail


def test_who_makes_the_account_in_the_client_is_led_to_their_own_homeserver(site, ana, chosen):
    page = ana.confirm(site, email="jean@interieur.example")
    assert links(page.text) == {
        f"{EVERYBODY}?hs=http%3A%2F%2F127.0.0.1%3A1&server=interieur.example"
    }


def test_no_code_hands_over_a_template_that_is_not_filled():
    """What reads the setting: where it is filled, and where only its host counts."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(r"settings\.(client|phone)_url", path.read_text(encoding="utf-8"))
    }
    assert readers == {"homeservers/clients.py", "threepids/api/validation.py"}
