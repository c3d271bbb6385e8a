"""People who ask for their domain, operators who decide, and a DNS in between: ac-rouen.example is open."""

import re
from dataclasses import dataclass, replace

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.domain_requests import models, service
from identity.domain_requests.models import Size
from identity.domain_requests.service import Wish
from identity.rule_changes import approvals, changes
from tests.services.dns_server import DnsServer
from tests.worlds import codes
from tests.worlds.console import *
from workers import tasks

NORMANDIE = "ac-normandie.example"
JEAN = f"jean@{NORMANDIE}"
EMIL, INES = Actor("Emil", "a test", "ticket 12"), Actor("Ines", "a test", "ticket 13")
WISH = Wish("Académie de Normandie", "chef de projet", Size.UNDER_1000)
FORM = {"organisation": "Académie de Normandie", "position": "chef", "size": "under_1000"}


@dataclass
class Office:
    """What is done with requests, each deed in a transaction of its own."""

    services: WorkerServices
    clock: object
    dns: DnsServer

    def ask(self, address=JEAN, *, wish=WISH, language="fr"):
        with self.services.database.transaction() as session:
            return service.ask(
                session,
                self.services.hashes,
                self.clock(),
                address=EmailAddress.parse(address),
                wish=wish,
                language=language,
            )

    def do(self, act, number, who=EMIL, **facts):
        with self.services.database.transaction() as session:
            return act(session, self.clock(), who, models.find(session, number), **facts)

    def read(self, number=1):
        with self.services.database.reading() as session:
            return models.find(session, number)

    def people(self, number=1):
        with self.services.database.reading() as session:
            return models.find_requesters(session, models.find(session, number).id)

    def proof(self, number=1):
        with self.services.database.reading() as session:
            return models.find_proof(session, models.find(session, number).id)

    def work(self, times=2):
        """The worker does what is due; it asks the DNS of the test."""
        worker = replace(self.services, dns=self.dns.client)
        for _ in range(times):
            for lane in (Lane.URGENT, Lane.NORMAL, Lane.BULK):
                tasks.run_lane(worker, lane)

    def apply(self, number):
        """A change is let into force, and the worker publishes it."""
        with self.services.database.transaction() as session:
            change = changes.required(session, number)
            approvals.apply_alone(session, self.services.settings, self.clock(), INES, change)
        self.work()

    def code_for(self, address=JEAN):
        """The code of the mail that has just left."""
        self.work(1)
        with self.services.database.reading() as session:
            return codes.mailed(session, self.services.tokens, Purpose.DOMAIN, address)


@pytest.fixture
def office(services, clock, dns_server):
    return Office(services, clock, dns_server)


@pytest.fixture
def link_in(postbox):
    """The path of the link to the status page in the last mail."""

    def link_in():
        text = postbox.sent[-1].get_body(("plain",)).get_content()
        return re.search(r"http://127\.0\.0\.1:8090(/r/\S+)", text)[1]

    return link_in
