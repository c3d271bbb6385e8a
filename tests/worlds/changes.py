"""What people do with changes of rules, beside a worker: Emil edits, Ines approves, two are needed."""

from dataclasses import replace

import pytest

from identity.core.journal import Actor
from identity.routing import models as stored_rules
from identity.rule_changes import approvals, changes
from identity.threepids import associations
from tests.worlds.operators import *
from tests.worlds.services import GUESTS, agent
from tests.worlds.worker import *
from workers import tasks

EMIL, INES = Actor("Emil", "a test", "ticket 12"), Actor("Ines", "a test", "ticket 13")
NIGHT = Actor("Ines", "a test", "nobody else is awake tonight")
ASSO = "asso.example"


@pytest.fixture
def people(services, clock):
    with services.database.transaction() as session:
        for number in range(3):
            address, user_id = f"gil{number}@{ASSO}", f"@g{number}:{GUESTS}"
            associations.bind(session, clock(), address=address, user_id=user_id)


class Desk:
    """What people do with one change, each in a transaction of its own."""

    def __init__(self, services, clock) -> None:
        self.services, self.clock = services, clock

    def make(self, *put, by=EMIL, operator=None):
        with self.services.database.transaction() as session:
            made = changes.make(
                session,
                self.clock(),
                by,
                title="open asso",
                put=put,
                operator_id=operator.id if operator else None,
            )
        return made.number

    def do(self, what, number, who=EMIL, **facts):
        with self.services.database.transaction() as session:
            what(session, self.clock(), who, changes.required(session, number), **facts)

    def approve(self, number, who, approver, **facts):
        with self.services.database.transaction() as session:
            change = changes.required(session, number)
            approvals.approve(
                session,
                self.services.settings,
                self.clock(),
                who,
                change,
                approver=approver,
                typed=approvals.words_to_type(change),
                **facts,
            )

    def work(self):
        for _ in range(2):
            for lane in ("bulk", "normal"):
                tasks.run_lane(self.services, lane)

    def read(self, number):
        with self.services.database.reading() as session:
            return changes.required(session, number)

    def revision(self):
        with self.services.database.reading() as session:
            return stored_rules.current_number(session)


@pytest.fixture
def worker_services(told_services):
    settings = told_services.settings.model_copy(update={"approvals": "two"})
    return replace(told_services, settings=settings)


@pytest.fixture
def desk(worker_services, clock):
    return Desk(worker_services, clock)


@pytest.fixture
def proposed(desk, people, emil):
    """Emil proposes to open asso.example on the homeserver for agents."""
    number = desk.make(agent(ASSO), operator=emil)
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    return number
