"""What was read at once is known until the transaction ends, and so is which locks it holds."""

import uuid

from identity.core import advisory_locks, foreseen, outbox
from identity.core.outbox import JobKind, Lane
from tests.worlds.services import *
from tests.worlds.statements import statements


def recalled(session):
    return foreseen.recall(session, "answer", 1, lambda: "asked again")


def test_a_flush_forgets_nothing(services, clock):
    with services.database.transaction() as session:
        foreseen.remember(session, "answer", {1: "read"})
        advisory_locks.take(session, ["one"])
        outbox.enqueue(session, JobKind.HEALTH, uuid.uuid4(), clock(), lane=Lane.NORMAL)
        session.flush()
        assert recalled(session) == "read"
        with statements(services.database.engine) as said:
            advisory_locks.take(session, ["one"])
        assert said == []


def test_a_savepoint_that_ends_forgets_all_and_so_does_the_transaction(services):
    with services.database.transaction() as session:
        with session.begin_nested():
            foreseen.remember(session, "answer", {1: "read"})
        assert recalled(session) == "asked again"
        foreseen.remember(session, "answer", {1: "read"})
    assert recalled(session) == "asked again"
