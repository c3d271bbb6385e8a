"""An upgrade of a database with rows in it: what stood there keeps its meaning."""

import uuid
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command

from identity import migrations
from identity.storage import mails
from identity.storage.database import Database, make_engine

THEN = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
KINDS = {
    uuid.UUID: sa.Uuid(),
    datetime: sa.DateTime(timezone=True),
    bool: sa.Boolean(),
    dict: sa.JSON(),
}


@pytest.fixture
def upgraded_from(empty_database_url):
    """Make the schema of a revision, write rows as its version did, and go on to the newest."""
    opened = []

    def upgraded_from(revision, table, rows) -> Database:
        command.upgrade(migrations.config(empty_database_url), revision)
        engine = make_engine(empty_database_url)
        with engine.begin() as connection:
            columns = [sa.column(name, KINDS.get(type(rows[0][name]))) for name in rows[0]]
            connection.execute(sa.table(table, *columns).insert(), rows)
        engine.dispose()
        migrations.upgrade(empty_database_url)
        database = Database(make_engine(empty_database_url))
        opened.append(database)
        return database

    yield upgraded_from
    for database in opened:
        database.engine.dispose()


def a_mail(address):
    return {
        "id": uuid.uuid4(),
        "template": "verify",
        "address": address,
        "language": "fr",
        "subject_id": uuid.uuid4(),
        "state": "handed",
        "created_at": THEN,
    }


def test_mails_that_were_sent_before_count_against_their_mailbox(upgraded_from):
    addresses = ["lea@asso.example", "lea+a@asso.example", "+b@asso.example", "a.b@asso.example"]
    database = upgraded_from("0008", "mails", [a_mail(address) for address in addresses])
    with database.reading() as session:
        found = {mail.address: (mail.mailbox, mail.goes_at) for mail in mails.recent(session)}
        assert found == {
            "lea@asso.example": ("lea@asso.example", THEN),
            "lea+a@asso.example": ("lea@asso.example", THEN),
            "+b@asso.example": ("+b@asso.example", THEN),
            "a.b@asso.example": ("a.b@asso.example", THEN),
        }
        assert mails.again_at(session, THEN, "lea+c@asso.example") > THEN
