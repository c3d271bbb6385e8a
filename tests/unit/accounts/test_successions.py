"""Who had an address before is found again by who has it now, also from before this was kept."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import MetaData, Table, insert

from identity.accounts import successions
from identity.core.database import Database, make_engine
from identity.migrations import upgrading

BEFORE = "0007"
THEN = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW, OTHER = "@gil:guests.example", "@gil:education.example", "@ana:education.example"


def test_a_pair_is_kept_once_and_told_of_those_who_are_named(database):
    with database.transaction() as session:
        for _ in range(2):
            successions.record_succession(session, THEN, predecessors=[OLD], successor=NEW)
        successions.record_succession(session, THEN, predecessors=[], successor=OTHER)
    with database.reading() as session:
        assert successions.predecessors(session, NEW, [OLD, OTHER]) == [OLD]
        assert successions.predecessors(session, NEW, [OTHER]) == []
        assert successions.predecessors(session, NEW, []) == []
        assert successions.predecessors(session, OLD, [NEW]) == []


def test_it_is_forgotten_in_time(database):
    with database.transaction() as session:
        successions.record_succession(session, THEN, predecessors=[OLD], successor=NEW)
        assert successions.forget(session, THEN) == 0
        assert successions.forget(session, THEN + timedelta(seconds=1)) == 1
        assert successions.predecessors(session, NEW, [OLD]) == []


@pytest.mark.slow
def test_the_upgrade_finds_addresses_that_two_accounts_have_proved(empty_database_url):
    upgrading.upgrade(empty_database_url, BEFORE)
    engine = make_engine(empty_database_url)
    proofs = [(OLD, "gil", 1), (NEW, "gil", 2), (OLD, "gilles", 3), (OTHER, "ana", 1)]
    with engine.begin() as connection:
        table = Table("proved_addresses", MetaData(), autoload_with=connection)
        rows = [
            {
                "user_id": user_id,
                "address": f"{name}@asso.example",
                "proved_at": (THEN + timedelta(days=day)).replace(tzinfo=None),
            }
            for user_id, name, day in proofs
        ]
        connection.execute(insert(table), rows)
    upgrading.upgrade(empty_database_url)
    try:
        with Database(engine).reading() as session:
            assert successions.predecessors(session, NEW, [OLD, OTHER]) == [OLD]
            assert successions.predecessors(session, OLD, [NEW, OTHER]) == []
    finally:
        engine.dispose()
