"""Reading transactions change nothing, and leave to the driver the statements that it has prepared."""

import pytest
from sqlalchemy import text

from identity.core.database import Database, make_engine
from identity.homeservers import models as homeservers

PREPARED = "select count(*) from pg_prepared_statements where not from_sql"
ENOUGH = 8  # times: psycopg prepares what it has executed five times


@pytest.mark.postgresql
def test_postgresql_plans_no_statement_anew_for_each_request(postgresql_url):
    database = Database(make_engine(postgresql_url))
    for _ in range(ENOUGH):
        with database.reading() as session:
            homeservers.find(session, "education.example")
    with database.reading() as session:
        assert session.scalar(text(PREPARED)) > 0
    database.engine.dispose()


def test_what_an_object_is_given_while_reading_is_not_stored(database, homeserver_row):
    with database.reading() as session:
        homeservers.find(session, homeserver_row).label = "changed"
    with database.reading() as session:
        assert homeservers.find(session, homeserver_row).label == "Agents"


@pytest.fixture
def homeserver_row(database, clock) -> str:
    with database.transaction() as session:
        row = homeservers.Homeserver(
            name="agents.example",
            url="http://127.0.0.1:1",
            label="Agents",
            connector="none",
            user_id_scheme="address",
            class_source="agent",
            created_at=clock(),
        )
        session.add(row)
    return "agents.example"
