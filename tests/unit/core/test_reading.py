"""Reading transactions change nothing, and leave to the driver the statements that it has prepared."""

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, NotSupportedError

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


@pytest.mark.postgresql
def test_a_column_that_got_another_type_is_read_by_who_had_prepared_the_statement(postgresql_url):
    """By a question at once; a transaction fails once, and the next one is right again."""
    database, other = Database(make_engine(postgresql_url)), make_engine(postgresql_url)

    def alter(statement):
        with other.begin() as connection:
            connection.execute(text(statement))

    def read(asked):
        return asked.scalars(text("select number from numbers")).all()

    def read_in_transaction():
        with database.reading() as session:
            return read(session)

    alter("create table numbers (number integer)")
    for _ in range(ENOUGH):
        database.ask(read)
    alter("alter table numbers alter number type text")
    assert database.ask(read) == []
    for _ in range(ENOUGH):
        read_in_transaction()
    alter("alter table numbers alter number type bigint using 1")
    with pytest.raises(NotSupportedError):
        read_in_transaction()
    assert read_in_transaction() == database.ask(read) == []
    for engine in (database.engine, other):
        engine.dispose()


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "asked", ["select 1", "select 1 / 0", "select pg_terminate_backend(pg_backend_pid())"]
)
def test_a_question_is_no_transaction_and_what_follows_on_its_connection_is_one(
    postgresql_url, asked
):
    database = Database(make_engine(postgresql_url))
    with database.transaction() as session:
        session.execute(text("create table things (name text)"))

    def ask(connection):
        connection.execute(text(asked))
        return connection.connection.driver_connection.info.transaction_status

    def change():
        with database.transaction() as session:
            session.execute(text("insert into things values ('undone')"))
            session.execute(text("select 1 / 0"))

    if asked == "select 1":
        assert database.ask(ask) == TransactionStatus.IDLE
    else:
        with pytest.raises(DBAPIError):
            database.ask(ask)
    with pytest.raises(DBAPIError):
        change()
    assert database.ask(lambda asked: asked.scalar(text("select count(*) from things"))) == 0
    database.engine.dispose()


def test_what_an_object_is_given_while_reading_is_not_stored(database, homeserver_row):
    with database.reading() as session:
        homeservers.find(session, homeserver_row).label = "changed"
        homeservers.find_all(session)  # a query, before which a session writes what it holds
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
