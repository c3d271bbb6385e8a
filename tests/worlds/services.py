"""A federation for the tests of the service: education open, normandie its sibling, guests by default."""

from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core import nodes
from identity.core.journal import Actor
from identity.core.keyed_hashes import KeyedHashes
from identity.core.nodes import NodeKind, NodeReport
from identity.core.rate_limits import RateLimits
from identity.core.sealing import PrivateHalves, Vault, new_pair
from identity.core.tokens import Tokens
from identity.freezes.in_force import FreezesInForce
from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.federation_client import Federation
from identity.homeservers.models import Homeserver
from identity.routing.rules_in_force import RulesInForce
from identity.rule_changes import service as rule_changes
from identity.services import WorkerServices, find_federation_endpoint
from identity.settings import Settings
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.threepids.terms import Terms

EDUCATION = "education.example"
FAR = datetime(
    2100, 1, 1, tzinfo=UTC
)  # the clock of a test stands still, the worker's heart does not
GUESTS = "guests.example"
OPERATOR = Actor("Olga", "here", "an incident")


def agent(domain: str, organisation: str = "Éducation nationale – Rouen") -> Rule:
    return Rule(
        RuleKind.DOMAIN,
        domain,
        AccountClass.AGENT,
        EDUCATION,
        requires_invite=False,
        organisation=organisation,
    )


def sample_rules() -> RuleSet:
    return RuleSet.compile(
        [
            agent("ac-rouen.example"),
            Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, GUESTS, requires_invite=True),
        ],
        revision=1,
    )


def begin_federation(session: Session, now: datetime, rules: RuleSet, key_id: str) -> None:
    """The two homeservers, a worker and a scheduler that live, and these rules in force."""
    for name, label, guests in (
        (EDUCATION, "Éducation nationale", False),
        (GUESTS, "Externes", True),
    ):
        session.add(
            Homeserver(
                name=name,
                url="http://127.0.0.1:1",
                label=label,
                connector="none",
                user_id_scheme="random" if guests else "address",
                class_source="guest" if guests else "agent",
                created_at=now,
            )
        )
    session.flush()
    worker = NodeReport("of the tests", key_ids=[key_id])
    nodes.record_heartbeat(session, FAR, worker)
    nodes.record_heartbeat(session, FAR, NodeReport("beat", kind=NodeKind.SCHEDULER))
    difference = rule_changes.compare(session, put=rules.rules)
    rule_changes.publish(session, now, difference, Actor("tests", "here", "the sample"))


@pytest.fixture
def rules() -> RuleSet:
    return sample_rules()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SecretStr("a-key-for-the-tests-that-is-long-enough")])


@pytest.fixture
def vault() -> Vault:
    return Vault([SecretStr("a storage key for the tests")])


@pytest.fixture
def hashes(vault, tokens) -> KeyedHashes:
    return KeyedHashes(vault, tokens)


@pytest.fixture
def camille() -> EmailAddress:
    return EmailAddress.parse("Camille.Durand@ac-rouen.example")


class Postbox:
    """A mailer by value: keeps what it was given, fails as told."""

    def __init__(self):
        self.sent: list[EmailMessage] = []
        self.failure: Exception | None = None

    def send(self, message, *, envelope_from, to):
        if self.failure is not None:
            raise self.failure
        assert message["To"] == to
        self.sent.append(message)
        return "250 2.0.0 queued"

    def probe(self):
        """It takes whatever it is given."""

    def close(self):
        """Nothing is open."""


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        _env_file=None, data_dir=tmp_path, secret_keys="a-key-for-the-tests-that-is-long-enough"
    )


@pytest.fixture
def services(database, rules, tokens, vault, postbox, settings, clock) -> WorkerServices:
    """A whole service on a real database, with the federation above published in it, and a worker that lives."""
    private, public = new_pair()
    with database.transaction() as session:
        begin_federation(session, clock(), rules, public.key_id)
    made = WorkerServices(
        settings=settings,
        database=database,
        now=clock,
        rules=RulesInForce(database, clock),
        tokens=tokens,
        vault=vault,
        public_half=public,
        private_halves=PrivateHalves([private]),
        mailer=postbox,
        limits=RateLimits(settings),
        terms=Terms(),
        calls=(calls := HomeserverCalls(database, clock)),
        federation=Federation(partial(find_federation_endpoint, database, clock), clock, calls),
        connector_for=lambda _homeserver: None,
        room_actions_for=lambda _homeserver: None,
        freezes=FreezesInForce(database, clock, look_every=0.0),
    )
    with database.transaction() as session:
        made.hashes.settle(session, clock())  # as the upgrade of a database does
    return made


@pytest.fixture
def request_(services, camille, clock) -> VerificationRequest:
    """Camille has typed her address: a mail with a code is ordered."""
    with services.database.transaction() as session:
        return sign_up.start(
            session,
            services.rules.current(),
            clock(),
            address=camille,
            browser="Ana's",
            language="fr",
        )


@pytest.fixture
def acts(services, clock):
    """An operator does something, in a transaction of its own."""

    def acts(act, *given, **facts):
        with services.database.transaction() as session:
            return act(session, clock(), OPERATOR, *given, **facts)

    return acts
