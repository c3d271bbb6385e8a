"""A database of before: who wanted no mail still wants none, and mails count for the mailbox they go to."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from pydantic import SecretStr

from identity.core import keyed_hashes
from identity.core.database import Database, make_engine
from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.invitations import muting, opting_out
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.migrations import upgrading

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
TIME = sa.DateTime(timezone=True)
LINKS, STORAGE = SecretStr("the link key of before"), SecretStr("the storage key")
LEA, ZOE = "lea.petit@googlemail.com", "@zoe:education.example"


def row(table, **values):
    """Insert into a table as it was."""
    columns = [
        sa.column(
            name, TIME if isinstance(value, datetime) else sa.Uuid() if "id" in name else None
        )
        for name, value in values.items()
    ]
    return sa.insert(sa.table(table, *columns)).values(**values)


def rows():
    digest = keyed_hashes._hex(LINKS.get_secret_value(), f"guichet suppression:{LEA}")
    yield row("mutes", id=uuid.UUID(int=1), mailbox_hash=digest, sender=ZOE, since=NOW)
    refused = {"address_hash": digest, "why": "opted_out", "since": NOW, "strikes": 1}
    yield row("suppressions", id=uuid.UUID(int=1), **refused)
    for number, address in enumerate((LEA, "lea.petit@asso.example"), 1):
        yield row(
            "mails",
            id=uuid.UUID(int=number),
            template="verify",
            address=address,
            mailbox=address,
            language="fr",
            subject_id=uuid.UUID(int=9),
            state="handed",
            created_at=NOW,
            due_at=NOW,
        )


@pytest.fixture
def upgraded(empty_database_url):
    upgrading.upgrade(empty_database_url, "0014")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        for each in rows():
            connection.execute(each)
    engine.dispose()
    upgrading.upgrade(empty_database_url)
    database = Database(make_engine(empty_database_url))
    yield database
    database.engine.dispose()
    command.downgrade(upgrading.alembic_config(empty_database_url), "0014")


@pytest.mark.slow
def test_who_refused_before_is_left_alone_after(upgraded):
    hashes = KeyedHashes(Vault([STORAGE]), Tokens([LINKS]))
    with upgraded.transaction() as session:
        assert muting.is_muted(session, hashes, address=LEA, sender=ZOE)
        assert opting_out.has_opted_out(session, hashes, LEA)
        hashes.settle(session, NOW + timedelta(hours=1))
    later = KeyedHashes(Vault([STORAGE]), Tokens([SecretStr("the link key of a year later")]))
    with upgraded.reading() as session:
        assert muting.is_muted(session, later, address=LEA, sender=ZOE)
        assert muting.is_muted(session, later, address="lea.petit+x@googlemail.com", sender=ZOE)
        assert opting_out.has_opted_out(session, later, LEA)
        assert not opting_out.has_opted_out(session, later, "lea.petit@asso.example")


@pytest.mark.slow
def test_mails_of_before_count_for_every_spelling_of_their_mailbox(upgraded):
    with upgraded.reading() as session:
        for spelling in ("l.e.a.petit@gmail.com", "leapetit+x@googlemail.com"):
            assert mails.earliest_by_quotas(session, NOW, spelling, [Template.VERIFY]) > NOW
        assert (
            mails.earliest_by_quotas(session, NOW, "leapetit@asso.example", [Template.VERIFY])
            == NOW
        )
        assert (
            mails.earliest_by_quotas(session, NOW, "lea.petit@asso.example", [Template.VERIFY])
            > NOW
        )
