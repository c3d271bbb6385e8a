"""Several hosts in the URL of the database, as docs/operations.md says it for a replica."""

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from identity.core.database import Database, make_engine
from tests.services.waiting import LOOPBACK, free_port


@pytest.fixture
def url(empty_postgresql_url) -> str:
    """The first host is dead, the second lives."""
    there = make_url(empty_postgresql_url)
    hosts = f"host={LOOPBACK}:{free_port()}&host={LOOPBACK}:{there.port}"
    return f"{there.drivername}://{there.username}@/{there.database}?{hosts}&target_session_attrs=read-write"


def test_the_host_that_takes_writes_is_used_and_no_other(url, postgresql_server):
    database = Database(make_engine(url))
    with database.transaction() as session:
        assert session.scalar(text("select inet_server_port()")) == postgresql_server.port
        name = session.scalar(text("select current_database()"))
    database.engine.dispose()
    postgresql_server.execute(f"alter database {name} set default_transaction_read_only = on")
    read_only = Database(make_engine(url))
    with (
        pytest.raises(OperationalError, match="read-only"),
        read_only.transaction() as session,
    ):
        session.execute(text("select 1"))
