"""A site with a small federation, people with browsers of their own, and a mailbox that is only looked up."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select
from werkzeug.test import TestResponse

from domain_rules.rules import AccountClass, Kind, Rule, RuleSet
from identity.app import create_app
from identity.gateways.homeserver import Found
from identity.gateways.http_client import Away
from identity.gateways.limits import Limits
from identity.settings import read_settings
from identity.storage import mails
from identity.storage.database import Database, make_engine
from identity.storage.homeservers import Homeserver
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.storage.verification_requests import VerificationRequest
from identity.terms import Terms
from identity.tokens import Tokens
from identity.vault import Vault
from identity.wiring import Wiring
from tests.identity.list_senders import FakeDesk

AGENT, GUEST = AccountClass.AGENT, AccountClass.GUEST
RULES = RuleSet.compile(
    [
        Rule(
            Kind.DOMAIN,
            "ac-rouen.example",
            AGENT,
            "education.example",
            requires_invite=False,
            organisation="Rouen",
        ),
        Rule(Kind.DOMAIN, "interieur.example", AGENT, "interieur.example", requires_invite=False),
        Rule(
            Kind.DOMAIN,
            "ac-normandie.example",
            AGENT,
            None,
            requires_invite=False,
            sibling_of="ac-rouen.example",
            organisation="Rouen",
        ),
        Rule(
            Kind.ADDRESS,
            "gil@association.example",
            GUEST,
            "guests.example",
            requires_invite=False,
        ),
        Rule(Kind.DEFAULT, "", GUEST, "guests.example", requires_invite=True),
    ],
    revision=1,
)
LABELS = {
    "education.example": "Éducation nationale",
    "interieur.example": "Ministère de l’Intérieur",
    "guests.example": "Invités",
}
GIL = "gil.perrin@asso.example"  # not on its own, only by invitation
ZOE = "@zoe:education.example"
PASSWORD = "lampe trottoir violette 9"
KEY = SecretStr("a key for the tests, long enough")


@dataclass(frozen=True)
class FixedRules:
    """Rules that nobody changes."""

    degraded: bool = False

    def current(self) -> RuleSet:
        return RULES


@dataclass
class FakeServer:
    """Makes every account that is asked for, unless it is away or knows the address already."""

    away: bool = False
    holds_address: bool = False
    made: list[tuple[str, str]] = field(default_factory=list)

    def look(self, account) -> Found:
        if self.away:
            raise Away("no answer")
        return Found.ADDRESS_HELD if self.holds_address else Found.NOTHING

    def create(self, account) -> None:
        self.made.append((account.user_id, account.display_name))

    def finish(self, account) -> None:
        raise AssertionError("nothing was begun")

    def probe(self) -> None:
        raise AssertionError("nobody waits")


@dataclass
class Site:
    """The application, and what a test may know of it that no browser knows."""

    app: Flask
    wiring: Wiring
    clock: object
    server: FakeServer
    desk: FakeDesk
    invitations: list[ThirdPartyInvitation] = field(default_factory=list)

    def newest(self) -> VerificationRequest:
        with self.wiring.database.reading() as session:
            return session.scalars(
                select(VerificationRequest).order_by(
                    VerificationRequest.created_at.desc(), VerificationRequest.ordinal.desc()
                )
            ).first()

    def all(self) -> list[VerificationRequest]:
        with self.wiring.database.reading() as session:
            return list(session.scalars(select(VerificationRequest)))

    def code(self, request=None) -> str:
        request = request or self.newest()
        return self.wiring.tokens.code(request.id, request.code_generation)

    def wrong_code(self, request=None) -> str:
        return f"{(int(self.code(request)) + 1) % 10**6:06d}"

    def link(self, request=None, purpose="verify") -> str:
        request = request or self.newest()
        return (
            f"/{'v' if purpose == 'verify' else 'n'}/{self.wiring.tokens.link(request.id, purpose)}"
        )

    def invited(self, **facts: object) -> ThirdPartyInvitation:
        """An invitation of GIL by ZOE, whose mail just left."""
        row = ThirdPartyInvitation(
            **{
                "address": GIL,
                "room_id": "!room:education.example",
                "sender": ZOE,
                "token": f"token {len(self.invitations)}",
                "public_key": f"key {len(self.invitations)}",
                "sealed_key": "",
                "signing_key_id": "ed25519:0",
                "facts": {"room_name": "Secret room", "sender_display_name": "<b>Zoé</b>"},
                "for_guest": True,
                "created_at": self.clock(),
                "asked_at": self.clock(),
                "code_made_at": self.clock(),
                "expires_at": self.clock() + timedelta(days=30),
            }
            | facts
        )
        self.add(row)
        self.invitations.append(row)
        return row

    def invitation(self, row=None) -> ThirdPartyInvitation:
        """The invitation as it stands now."""
        with self.wiring.database.reading() as session:
            return session.get_one(ThirdPartyInvitation, (row or self.invitations[-1]).id)

    def mailed(self, row=None, purpose="invitation") -> str:
        """A link of the mail of an invitation."""
        row = row or self.invitations[-1]
        kind = {"invitation": "i", "not_me": "n", "opt_out": "d"}[purpose]
        return f"/{kind}/{self.wiring.tokens.link(row.id, purpose)}"

    def mails(self) -> list[str]:
        """Template of every mail ordered, oldest first."""
        with self.wiring.database.reading() as session:
            return [mail.template for mail in reversed(mails.recent(session))]

    def add(self, row) -> None:
        with self.wiring.database.transaction() as session:
            session.add(row)

    def visitor(self, language="fr") -> "Visitor":
        return Visitor(self.app, language)


class Visitor:
    """One person in one browser without JavaScript. Follows where a form leads, like a browser."""

    def __init__(self, app: Flask, language: str) -> None:
        self.client = app.test_client()
        self.headers = {"Accept-Language": language}
        self.at = "/"

    def get(self, path: str) -> TestResponse:
        answer = self.client.get(path, headers=self.headers)
        if answer.status_code in {302, 303}:
            return self.get(answer.location)
        self.at = path
        return answer

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form; the answer as it is, redirects not followed."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/start").text)[1]
        return self.client.post(path, data={"csrf_token": token, **fields}, headers=self.headers)

    def post(self, path: str, **fields: str) -> TestResponse:
        answer = self.send(path, **fields)
        return self.get(answer.location) if answer.status_code == 303 else answer

    def start(self, email="camille.durand@ac-rouen.example", **fields: str) -> TestResponse:
        return self.post("/start", email=email, **fields)

    def confirm(self, site: Site, **kind: str) -> TestResponse:
        self.start(**kind)
        return self.post(f"/check/{site.newest().ordinal}", code=site.code())


def heading(answer: TestResponse) -> str:
    return unescape(re.search(r"<h1>(.*?)</h1>", answer.text)[1]).replace("\u00a0", " ")


def title(answer: TestResponse) -> str:
    return unescape(re.search(r"<title>(.*?)</title>", answer.text)[1])


def words(answer: TestResponse) -> str:
    """What can be read on a page, in one line."""
    body = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(
        unescape(re.sub(r"<[^>]*>", " ", f"<main{body}")).replace("\u00a0", " ").split()
    )


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path, "_env_file": None}


@pytest.fixture
def site(settings, sqlite_url, clock):
    values = read_settings(**settings)
    database = Database(make_engine(sqlite_url))
    server, desk = FakeServer(), FakeDesk()
    wiring = Wiring(
        settings=values,
        database=database,
        now=clock,
        rules=FixedRules(),
        tokens=Tokens([KEY]),
        vault=Vault([KEY]),
        mailer=None,
        limits=Limits(values),
        terms=Terms(),
        federation=None,
        connector_for=lambda homeserver: server if homeserver.connector == "synapse" else None,
        desk_for=lambda _homeserver: desk,
    )
    with database.transaction() as session:
        for name, label in LABELS.items():
            session.add(
                Homeserver(
                    name=name,
                    url="http://127.0.0.1:1",
                    guests=name == "guests.example",
                    label=label,
                    connector="none" if name == "interieur.example" else "synapse",
                    user_id_scheme="address",
                    class_source="agent",
                    created_at=clock(),
                )
            )
    yield Site(create_app(wiring), wiring, clock, server, desk)
    database.engine.dispose()


@pytest.fixture
def ana(site) -> Visitor:
    """An agent at her desk."""
    return site.visitor()


@pytest.fixture
def phone(site) -> Visitor:
    """Another browser: Ana's phone, or somebody else altogether."""
    return site.visitor()
