"""The module in a homeserver reads what this service tells: both ends of one wire, the real ones."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.synapse_modules.clients import API_PREFIX, GuichetAnswer
from identity.accounts import verified_addresses
from identity.app import create_app
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.routing.rules_in_force import RulesInForce
from identity.rule_changes import service as rule_changes
from tests.worlds.api import *
from tests.worlds.module_synapse import Process, Synapse

EDUCATION, GUESTS = "education.example", "guests.example"
MIA = f"@mia:{GUESTS}"


@dataclass
class Wire:
    """The module's client, without the network between."""

    client: Any
    credential: dict[str, str]

    async def get(self, path, etag=None):
        headers = self.credential | ({"If-None-Match": etag} if etag else {})
        answer = self.client.get(API_PREFIX + path, headers=headers)
        body = answer.get_json() if answer.data else None
        self.statuses = [*getattr(self, "statuses", []), answer.status_code]
        return GuichetAnswer(answer.status_code, body, answer.headers.get("ETag"))


@pytest.fixture
def there(services, database, clock, credential) -> Process:
    at_once = RulesInForce(database, clock, look_every=0)
    client = create_app(replace(services, rules=at_once), listener="public").test_client()
    return Process(Synapse(EDUCATION), Wire(client, credential)).begin()


@pytest.fixture
def publish(services, clock):
    def publish(*rules):
        with services.database.transaction() as session:
            difference = rule_changes.compare(session, put=rules)
            rule_changes.publish(session, clock(), difference, Actor("tests", "here", "why"))

    return publish


def test_the_module_decides_as_the_service_does(there, publish):
    decided = there.cache.decide("ana@ac-rouen.example")
    assert (decided.homeserver, decided.account_class) == (EDUCATION, AccountClass.AGENT)
    assert there.is_agent(f"@ana:{EDUCATION}")
    assert not there.is_agent(f"@gil:{GUESTS}")
    publish(
        Rule(RuleKind.DOMAIN, "asso.example", AccountClass.AGENT, EDUCATION, requires_invite=False)
    )
    there.poll()
    assert there.cache.decide("gil@asso.example").account_class is AccountClass.AGENT
    assert there.cache.rules.revision == 2


def test_what_did_not_change_is_not_sent(there):
    there.told.statuses.clear()
    there.poll()
    assert there.told.statuses == [304]


def test_agents_of_a_homeserver_of_both_are_known_and_forgotten(there, services, clock):
    with services.database.transaction() as session:
        homeservers.find(session, GUESTS).class_source = "by_person"
    there.poll()
    assert not there.is_agent(MIA)
    with services.database.transaction() as session:
        verified_addresses.add(session, clock(), user_id=MIA, address="mia@ac-rouen.example")
    there.poll()
    assert there.is_agent(MIA)
    with services.database.transaction() as session:
        verified_addresses.remove_all(session, MIA)
    there.poll()
    assert not there.is_agent(MIA)
