"""An upgrade of a database with rows in it: what stood there keeps its meaning."""

import uuid
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command

from identity.core import outbox
from identity.core.database import Database, make_engine
from identity.invitations import mail_grouping
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.quota import REQUESTED
from identity.migrations import upgrading

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

    def upgraded_from(revision, **tables) -> Database:
        command.upgrade(upgrading.alembic_config(empty_database_url), revision)
        engine = make_engine(empty_database_url)
        with engine.begin() as connection:
            for table, rows in tables.items():
                columns = [sa.column(name, KINDS.get(type(rows[0][name]))) for name in rows[0]]
                connection.execute(sa.table(table, *columns).insert(), rows)
        engine.dispose()
        upgrading.upgrade(empty_database_url)
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
    database = upgraded_from("0008", mails=[a_mail(address) for address in addresses])
    with database.reading() as session:
        found = {mail.address: (mail.mailbox, mail.goes_at) for mail in mails.find_recent(session)}
        assert found == {
            "lea@asso.example": ("lea@asso.example", THEN),
            "lea+a@asso.example": ("lea@asso.example", THEN),
            "+b@asso.example": ("+b@asso.example", THEN),
            "a.b@asso.example": ("a.b@asso.example", THEN),
        }
        assert mails.earliest_by_quotas(session, THEN, "lea+c@asso.example", REQUESTED) > THEN


def an_invitation(number):
    return {
        "id": uuid.uuid4(),
        "address": "gil@asso.example",
        "room_id": f"!{number}:x",
        "sender": "@zoe:education.example",
        "token": f"token {number}",
        "public_key": f"key {number}",
        "sealed_key": "",
        "signing_key_id": "ed25519:0",
        "facts": {},
        "for_guest": True,
        "created_at": THEN,
        "expires_at": datetime(2099, 1, 1, tzinfo=UTC),
        "delivery": "waiting",
        "state": "queued",
    }


def test_invitations_that_waited_for_their_digest_are_told_of_by_one(upgraded_from):
    invited = [an_invitation(number) for number in range(5)]
    mailed = [
        a_mail("gil@asso.example")
        | {"template": "invite", "subject_id": row["id"], "state": "withheld" if late else "handed"}
        for late, row in zip((False, False, True, True, True), invited, strict=True)
    ]
    for row in invited[:2]:
        row["state"] = "sent"
    database = upgraded_from("0008", third_party_invitations=invited, mails=mailed)
    with database.reading() as session:
        [digest] = mails.find_recent(session, state=MailState.WAITING)
        told = mail_grouping.invitations_of(session, digest.goes_at, digest)
        assert {row.room_id for row in told} == {"!2:x", "!3:x", "!4:x"}
        entry = outbox.find_by_subject(session, digest.id)
        assert (entry.kind, entry.lane, entry.due_at) == ("mail", "normal", digest.goes_at)
