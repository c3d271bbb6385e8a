"""A federation for the tests of the service: education open, normandie its sibling, guests by default."""

import pytest
from pydantic import SecretStr

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, Kind, Rule, RuleSet
from identity.storage.homeservers import Homeserver
from identity.tokens import Tokens

EDUCATION = "education.example"
GUESTS = "guests.example"


def agent(domain: str, organisation: str = "Éducation nationale – Rouen") -> Rule:
    return Rule(
        Kind.DOMAIN,
        domain,
        AccountClass.AGENT,
        EDUCATION,
        requires_invite=False,
        organisation=organisation,
    )


@pytest.fixture
def rules() -> RuleSet:
    return RuleSet.compile(
        [
            agent("ac-rouen.example"),
            Rule(Kind.DEFAULT, "", AccountClass.GUEST, GUESTS, requires_invite=True),
        ],
        revision=1,
    )


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SecretStr("a key for the tests, long enough")])


@pytest.fixture
def camille() -> EmailAddress:
    return EmailAddress.parse("Camille.Durand@ac-rouen.example")


@pytest.fixture
def education(clock) -> Homeserver:
    return Homeserver(
        name=EDUCATION,
        url="http://127.0.0.1:1",
        guests=False,
        label="Éducation nationale",
        connector="none",
        user_id_scheme="address",
        class_source="agent",
        created_at=clock(),
    )
