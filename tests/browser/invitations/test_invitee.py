"""Somebody is invited by mail and finds the room: two real Synapses, a relay, a browser without JavaScript."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.services.certificates import Authority
from tests.services.identity_server import (
    add_homeserver,
    identity_server_settings,
    serve_by_tls,
    trusted,
)
from tests.services.person import PASSWORD, code_in, link_in, plain
from tests.services.processes import Processes
from tests.services.smtp import Relay
from tests.services.trusting_synapse import TrustingHomeserver
from tests.worlds.matrix import User

AGENTS = "agents.example"
RIGHT_SIZE = {"width": 360, "height": 740}  # a phone


class Arrived(User):
    """Who logs in with the address and the password chosen on our page."""

    def __init__(self, homeserver: TrustingHomeserver, id_server: str, address: str) -> None:
        self.homeserver, self.id_server = homeserver, id_server
        who = {"type": "m.id.thirdparty", "medium": "email", "address": address}
        session = homeserver.log_in(who, PASSWORD).json()
        self.user_id, self.token = session["user_id"], session["access_token"]

    def read(self, room: str) -> list[str]:
        """The messages that can be read there."""
        told = self.matrix("GET", f"/rooms/{quote(room)}/messages", dir="b", limit=50)
        return [event["content"].get("body") for event in told["chunk"]]


@dataclass
class House:
    """Guichet between a homeserver of agents and one of guests."""

    url: str
    relay: Relay
    processes: Processes
    environment: dict[str, str]
    agents: TrustingHomeserver
    guests: TrustingHomeserver

    @property
    def id_server(self) -> str:
        return urlsplit(self.url).netloc

    def run(self, *argv: str) -> str:
        return self.processes.guichet(*argv, env=self.environment)

    def agent(self) -> User:
        """Zoe, an agent whose address is proved."""
        zoe = User(self.agents, self.id_server)
        zoe.bind(f"zoe.martin.{zoe.localpart}@{AGENTS}", self.relay)
        return zoe

    def room_of(self, zoe: User, address: str) -> str:
        """A room with a message, to which the address is invited by the client API."""
        room = zoe.matrix("POST", "/createRoom", name="Cellule d'appui")["room_id"]
        said = {"msgtype": "m.text", "body": "Bienvenue à vous"}
        zoe.matrix("PUT", f"/rooms/{quote(room)}/send/m.room.message/1", **said)
        answer = zoe.invite(room, address)
        assert answer.ok, answer.text
        return room

    def templates(self, address: str) -> list[str]:
        """What the mailbox got, but for what follows every account: the welcome, and that a code was used."""
        mails = self.relay.to(address.lower())
        kinds = [mail["X-Guichet-Template"].partition(";")[0] for mail in mails]
        return [kind for kind in kinds if kind not in {"welcome", "code_used"}]


@pytest.fixture(scope="module")
def house(
    trusting_synapses: tuple[TrustingHomeserver, ...],
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    processes, relay = Processes(tmp_path_factory.mktemp("guichet")), Relay()
    relay.start()
    environment = identity_server_settings(relay)
    url = environment["GUICHET_PUBLIC_URL"]
    with trusted(authority):
        house = House(url, relay, processes, environment, *trusting_synapses)
        guests = ("--guests", "--label", "Invités")
        try:
            add_homeserver(processes, environment, house.agents)
            add_homeserver(processes, environment, house.guests, *guests)
            house.run("domain", "add", AGENTS, "--homeserver", house.agents.server_name)
            serve_by_tls(processes, environment, authority)
            yield house
        finally:
            processes.end_all()
            relay.stop()


@pytest.fixture
def phone(browser_contexts) -> Page:
    kind = {"ignore_https_errors": True, "java_script_enabled": False, "viewport": RIGHT_SIZE}
    return browser_contexts(locale="fr", **kind).new_page()


def heading(page: Page):
    return page.locator("h1")


def type_code(page: Page, code: str) -> None:
    page.get_by_label("Code à 8 chiffres").fill(code)
    page.locator("main form button").first.click()
    expect(heading(page)).to_have_text("Créez votre compte")


def choose_password(page: Page) -> None:
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_label("une seconde fois").fill(PASSWORD)
    page.get_by_role("button", name="Créer mon compte").click()
    expect(heading(page)).to_have_text("Bienvenue")


@pytest.mark.parametrize(
    ("address", "on"), [("lea.petit@asso.example", "guests"), (f"jean.roux@{AGENTS}", "agents")]
)
def test_who_is_invited_by_mail_types_the_code_and_finds_the_room(house, phone, address, on):
    zoe = house.agent()
    room = house.room_of(zoe, address)
    mail = house.relay.wait_for_mail(address)
    assert re.match("Zoe Martin .* vous invite sur Guichet", mail["Subject"])
    for secret in ("Cellule", address):
        assert secret not in plain(mail)

    phone.goto(link_in(plain(mail), "i"))
    expect(heading(phone)).to_have_text("Vous êtes invité")
    type_code(phone, code_in(plain(mail)))
    choose_password(phone)
    expect(phone.get_by_text("Cellule d'appui")).to_be_visible()

    invitee = Arrived(getattr(house, on), house.id_server, address)
    invitee.wait_for_invite(room)
    invitee.join(room)
    assert "Bienvenue à vous" in invitee.read(room)
    assert house.templates(address) == ["invite"]
    is_guest = on == "guests"
    assert ("prend fin le" in phone.locator("main").inner_text()) == is_guest


def test_an_address_is_the_same_in_capitals(house, phone):
    room = house.room_of(house.agent(), "Foo@Bar.example")
    house.relay.wait_for_mail("foo@bar.example")
    ask(phone, house, "foo@bar.example")
    mail = house.relay.wait_for_mail("foo@bar.example", number=2)
    assert "Une invitation de Zoe Martin" in plain(mail)
    type_code(phone, code_in(plain(mail)))
    choose_password(phone)
    Arrived(house.guests, house.id_server, "foo@bar.example").wait_for_invite(room)
    assert house.templates("foo@bar.example") == ["invite", "verify"]


def test_without_an_invitation_or_with_a_revoked_one_there_is_no_account(house, phone):
    ask(phone, house, "nobody@asso.example")
    none = house.relay.wait_for_mail("nobody@asso.example")
    assert "Aucune invitation" in none["Subject"]

    house.room_of(house.agent(), "max@asso.example")
    mail = house.relay.wait_for_mail("max@asso.example")
    phone.goto(link_in(plain(mail), "i"))
    type_code(phone, code_in(plain(mail)))
    newest = house.processes.told("invitation", "list", env=house.environment)["invitations"][0]
    house.run("invitation", "revoke", newest["id"])
    phone.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    phone.get_by_label("une seconde fois").fill(PASSWORD)
    phone.get_by_role("button", name="Créer mon compte").click()
    expect(phone.get_by_text("Aucune invitation n’attend plus")).to_be_visible()
    phone.goto(link_in(plain(mail), "i"))
    expect(heading(phone)).to_have_text("Cette invitation n’est plus valable")
    for address in ("nobody@asso.example", "max@asso.example"):
        who = {"type": "m.id.thirdparty", "medium": "email", "address": address}
        assert house.guests.log_in(who, PASSWORD).status_code == requests.codes.forbidden


def ask(page: Page, house: House, address: str) -> None:
    page.goto(f"{house.url}/start?invited=1")
    page.get_by_label("Adresse électronique").fill(address)
    page.get_by_role("button", name="Continuer").click()
    expect(heading(page)).to_have_text("Consultez votre messagerie")
