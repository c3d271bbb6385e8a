"""Both listeners over one small federation with a protected homeserver, and programs that call them."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.app import create_app
from identity.homeservers import credentials
from identity.invitations.models import ThirdPartyInvitation
from identity.services import Services
from identity.settings import Settings

AGENT, GUEST = AccountClass.AGENT, AccountClass.GUEST
API = "/_matrix/identity/api/v1"


@dataclass(frozen=True)
class FixedRules:
    """Rules that nobody changes, and that need no database."""

    rule_set: RuleSet
    degraded: bool = False

    def current(self) -> RuleSet:
        return self.rule_set


def domain(pattern: str, homeserver: str | None, **facts) -> Rule:
    return Rule(RuleKind.DOMAIN, pattern, AGENT, homeserver, **{"requires_invite": False} | facts)


FEDERATION = [
    domain("ac-rouen.example", "education.example", organisation="Rouen"),
    domain("defense.example", "agents.example", protected_homeserver="inside.example"),
    domain("ac-normandie.example", None, sibling_of="ac-rouen.example"),
    Rule(RuleKind.SUFFIX, "interieur.example", AGENT, "interieur.example", requires_invite=False),
    Rule(RuleKind.ADDRESS, "gil+1@asso.example", GUEST, "guests.example", requires_invite=False),
]
DEFAULT = Rule(RuleKind.DEFAULT, "", GUEST, "guests.example", requires_invite=True)


@pytest.fixture
def database_url(sqlite_url) -> str:
    """What is asked here of the database is tested on both of them one floor below."""
    return sqlite_url


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        protected_networks="10.1.0.0/16, 2001:db8:1::/48",
        trusted_proxies="127.0.0.0/8, 192.0.2.0/24",
        internal_networks="127.0.0.0/8, 10.9.0.0/24",
    )


@pytest.fixture
def decided(services) -> Services:
    """The whole service, deciding by the federation above."""
    return replace(services, rules=FixedRules(RuleSet.compile([*FEDERATION, DEFAULT], revision=7)))


@pytest.fixture
def public(decided) -> FlaskClient:
    return create_app(decided).test_client()


@pytest.fixture
def internal(decided) -> FlaskClient:
    return create_app(decided, listener="internal").test_client()


@pytest.fixture(params=["public", "internal"])
def either(request) -> FlaskClient:
    """The test runs twice, once at each listener."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def credential(services, clock) -> dict[str, str]:
    """The header by which a homeserver of the federation shows who it is."""
    with services.database.transaction() as session:
        token = credentials.issue(session, clock(), homeserver="education.example")
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def invite(services, clock):
    """An invitation as a homeserver stored it."""

    def invite(**facts):
        stored = {
            "address": "gil@asso.example",
            "room_id": "!room:education.example",
            "sender": "@zoe:education.example",
            "token": "token",
            "public_key": "public",
            "sealed_key": "sealed",
            "signing_key_id": "ed25519:0",
            "facts": {},
            "for_guest": True,
            "created_at": clock(),
            "expires_at": clock() + timedelta(days=30),
        }
        with services.database.transaction() as session:
            session.add(ThirdPartyInvitation(**stored | facts))

    return invite


def ask(client: FlaskClient, address: str, *, path="/info", ip="127.0.0.1", headers=()):
    return client.get(
        f"{API}{path}",
        query_string={"medium": "email", "address": address},
        environ_base={"REMOTE_ADDR": ip},
        headers=headers,
    )
