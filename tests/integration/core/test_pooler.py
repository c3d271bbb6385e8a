"""Guichet behind a real PgBouncer that lends a connection for one transaction."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from identity import migrations
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import Patience
from tests.services.schema import create_schema

HASTY = Patience(statement=0.3, lock=0.3, answer=20.0)
POOLED = "?pooler=transaction"
AT_ONCE, ROUNDS = 8, 15  # more threads than the pooler has connections


@pytest.fixture
def pooled_url(empty_postgresql_url, pgbouncer) -> str:
    return pgbouncer(empty_postgresql_url)


def test_it_must_be_named_in_the_url(pooled_url):
    engine = make_engine(pooled_url)
    with pytest.raises(OperationalError, match="unsupported startup parameter"):
        engine.connect()


def test_many_threads_share_few_connections_and_leave_nothing_in_them(pooled_url):
    database = Database(make_engine(pooled_url + POOLED))
    faults: list[Exception] = []

    def work(number: int) -> None:
        try:
            for count in range(ROUNDS):  # psycopg prepares what comes for the sixth time
                with database.transaction() as session:
                    for _ in range(2):
                        sum_ = session.scalar(text(f"select :count + {number}"), {"count": count})
                        assert sum_ == count + number
                with database.reading() as session:
                    session.execute(text("select pg_sleep(0.002)"))
        except Exception as fault:  # noqa: BLE001  whatever it is, the test tells it
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    database.engine.dispose()
    assert not faults


def test_time_outs_hold_for_each_transaction(pooled_url):
    database = Database(make_engine(pooled_url + POOLED, HASTY))
    for _ in range(2):
        with (
            pytest.raises(OperationalError, match="statement timeout"),
            database.transaction() as session,
        ):
            session.execute(text("select pg_sleep(30)"))
    with (
        pytest.raises(OperationalError, match="statement timeout"),
        database.connected() as connection,
        connection.begin(),
    ):
        connection.execute(text("select pg_sleep(1)"))
    database.engine.dispose()
    patient = Database(make_engine(pooled_url + POOLED))
    with patient.transaction() as session:  # by the same connections of PostgreSQL
        session.execute(text("select pg_sleep(0.5)"))
        assert session.scalar(text("show statement_timeout")) == "1min"
    patient.engine.dispose()


def test_the_schema_is_made_through_it_and_the_journal_stays_in_order(pooled_url):
    create_schema(pooled_url + POOLED)
    assert migrations.current_revision(pooled_url + POOLED) == migrations.newest_revision()


def test_another_kind_of_pooler_is_refused():
    with pytest.raises(ValueError, match="pooler= can only be transaction"):
        make_engine("postgresql+psycopg://guichet@127.0.0.1/guichet?pooler=session")
