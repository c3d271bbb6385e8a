"""A site with a small federation, people with browsers of their own, and a mailbox that is only looked up."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import func, select

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.app import create_app
from identity.core import nodes
from identity.core.database import Database, make_engine
from identity.core.nodes import NodeKind, NodeReport
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose, WrongTry
from identity.core.outbox import Lane
from identity.core.rate_limits import RateLimits
from identity.core.sealing import PrivateHalves, Vault, new_pair
from identity.core.tokens import Tokens
from identity.freezes.in_force import FreezesInForce
from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.models import Homeserver
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.folder import FolderMailer
from identity.services import WorkerServices
from identity.settings import read_settings
from identity.sign_up.models import VerificationRequest
from identity.threepids.terms import Terms
from workers import tasks

from . import codes
from .bulk_inviters import FakeRoomActions, with_worker_beside
from .services import FAR
from .visitors import EDGE, FIREFOX, Visitor
from .web_servers import FakeServer, web

AGENT, GUEST = AccountClass.AGENT, AccountClass.GUEST
RULES = RuleSet.compile(
    [
        Rule(
            RuleKind.DOMAIN,
            "ac-rouen.example",
            AGENT,
            "education.example",
            requires_invite=False,
            organisation="Rouen",
        ),
        Rule(
            RuleKind.DOMAIN, "interieur.example", AGENT, "interieur.example", requires_invite=False
        ),
        Rule(
            RuleKind.DOMAIN,
            "ac-normandie.example",
            AGENT,
            None,
            requires_invite=False,
            sibling_of="ac-rouen.example",
            organisation="Rouen",
        ),
        Rule(
            RuleKind.ADDRESS,
            "gil@association.example",
            GUEST,
            "guests.example",
            requires_invite=False,
        ),
        Rule(RuleKind.DEFAULT, "", GUEST, "guests.example", requires_invite=True),
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
KEY = SecretStr("a-key-for-the-tests-that-is-long-enough")


@dataclass(frozen=True)
class FixedRules:
    """Rules that nobody changes."""

    degraded: bool = False

    def current(self) -> RuleSet:
        return RULES


@dataclass
class Site:
    """The application, and what a test may know of it that no browser knows."""

    app: Flask
    services: WorkerServices
    clock: object
    server: FakeServer
    desk: FakeRoomActions
    invitations: list[ThirdPartyInvitation] = field(default_factory=list)

    def newest(self) -> VerificationRequest:
        with self.services.database.reading() as session:
            return session.scalars(
                select(VerificationRequest).order_by(
                    VerificationRequest.created_at.desc(), VerificationRequest.ordinal.desc()
                )
            ).first()

    def all(self) -> list[VerificationRequest]:
        with self.services.database.reading() as session:
            return list(session.scalars(select(VerificationRequest)))

    def post(self) -> None:
        """The worker sends what is due."""
        worker_services = replace(
            self.services, mailer=FolderMailer(self.services.settings.mail_dir)
        )
        for lane in (Lane.URGENT, Lane.NORMAL):
            tasks.run_lane(worker_services, lane)

    def code(self, about=None) -> str:
        """What stands in the last mail about a request or an invitation."""
        about = about or self.newest()
        self.post()
        invited = isinstance(about, ThirdPartyInvitation)
        purpose = Purpose.INVITATION if invited else Purpose.SIGN_UP
        return self.mailed_code(purpose, about.address)

    def mailed_code(self, purpose: Purpose, subject: str) -> str:
        with self.services.database.reading() as session:
            return codes.mailed(session, self.services.tokens, purpose, subject)

    def wrong_code(self, about=None) -> str:
        return codes.wrong(self.code(about))

    def wrong_tries(self) -> int:
        """How many wrong codes were counted."""
        with self.services.database.reading() as session:
            return session.scalar(select(func.count()).select_from(WrongTry))

    def link(self, request=None, purpose="verify") -> str:
        request = request or self.newest()
        return f"/{'v' if purpose == 'verify' else 'n'}/{self.services.tokens.link(request.id, purpose)}"

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
                "expires_at": self.clock() + timedelta(days=30),
            }
            | facts
        )
        self.add(row)
        with self.services.database.transaction() as session:
            one_time_codes.issue_for_mail(
                session, self.services.tokens, self.clock(), Purpose.INVITATION, row.address
            )
        self.invitations.append(row)
        return row

    def invitation(self, row=None) -> ThirdPartyInvitation:
        """The invitation as it stands now."""
        with self.services.database.reading() as session:
            return session.get_one(ThirdPartyInvitation, (row or self.invitations[-1]).id)

    def mailed(self, row=None, purpose="invitation") -> str:
        """A link of the mail of an invitation."""
        row = row or self.invitations[-1]
        kind = {"invitation": "i", "not_me": "n", "opt_out": "d"}[purpose]
        return f"/{kind}/{self.services.tokens.link(row.id, purpose)}"

    def mails(self) -> list[str]:
        """Template of every mail ordered, oldest first."""
        with self.services.database.reading() as session:
            return [mail.template for mail in reversed(mails.find_recent(session))]

    def add(self, row) -> None:
        with self.services.database.transaction() as session:
            session.add(row)

    def visitor(self, language="fr") -> Visitor:
        return Visitor(self.app, language, self.services)


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path, "_env_file": None}


@pytest.fixture
def site(settings, sqlite_url, clock):
    yield from open_site(settings, sqlite_url, clock)


@pytest.fixture
def site_on_either(settings, database_url, clock):
    """The test runs twice, once on each database."""
    yield from open_site(settings, database_url, clock)


def open_site(settings, url, clock):
    values = read_settings(**settings)
    database = Database(make_engine(url))
    server, desk = FakeServer(), FakeRoomActions()
    private, public = new_pair()
    services = WorkerServices(
        settings=values,
        database=database,
        now=clock,
        rules=FixedRules(),
        tokens=Tokens([KEY]),
        vault=Vault([KEY]),
        public_half=public,
        private_halves=PrivateHalves([private]),
        mailer=None,
        limits=RateLimits(values),
        terms=Terms(),
        calls=HomeserverCalls(database, clock),
        federation=None,
        connector_for=lambda homeserver: server if homeserver.connector == "synapse" else None,
        room_actions_for=lambda _homeserver: desk,
        freezes=FreezesInForce(database, clock, look_every=0.0),
    )
    with database.transaction() as session:
        worker = NodeReport("of the tests", key_ids=[public.key_id])
        nodes.record_heartbeat(session, FAR, worker)
        nodes.record_heartbeat(session, FAR, NodeReport("beat", kind=NodeKind.SCHEDULER))
        for name, label in LABELS.items():
            session.add(
                Homeserver(
                    name=name,
                    url="http://127.0.0.1:1",
                    label=label,
                    connector="none" if name == "interieur.example" else "synapse",
                    user_id_scheme="address",
                    class_source="guest" if name == "guests.example" else "agent",
                    created_at=clock(),
                )
            )
    with_worker_beside(services)
    yield Site(create_app(web(services)), services, clock, server, desk)
    database.engine.dispose()


@pytest.fixture
def ana(site) -> Visitor:
    """An agent at her desk."""
    return site.visitor()


@pytest.fixture
def firefox(site) -> Visitor:
    visitor = site.visitor()
    visitor.headers["User-Agent"] = FIREFOX
    return visitor


@pytest.fixture
def edge(site) -> Visitor:
    visitor = site.visitor()
    visitor.headers["User-Agent"] = EDGE
    return visitor


@pytest.fixture
def phone(site) -> Visitor:
    """Another browser: Ana's phone, or somebody else altogether."""
    return site.visitor()
