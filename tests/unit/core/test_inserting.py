"""Of several who write a row one is told that it is theirs, on either database."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import inspect

from identity.core import inserting, outbox
from identity.core.outbox import Job, JobKind, Lane
from identity.invitations import mute_models as mutes
from identity.keys import models as signing_keys
from identity.mail.models import Mail

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def test_who_finds_the_row_there_is_told_so(database):
    key = {"key_id": "ed25519:a", "public_key": "b", "sealed_seed": "c", "first": True}
    with database.transaction() as session:
        assert mutes.add(session, NOW, mailbox_hash="a", sender="@b:c")
        assert not mutes.add(session, NOW, mailbox_hash="a", sender="@b:c")
        assert signing_keys.add(session, NOW, **key)
        assert signing_keys.add(session, NOW, **key) is None


def new_rows(number: int):
    """A mail and a job, of which most columns are left to their defaults."""
    mail = Mail(
        id=UUID(int=number),
        template="verify",
        address="ana@open.example",
        language="en",
        subject_id=UUID(int=7),
        state=None,  # as if it was not given
        mailbox=None,
        created_at=NOW,
        due_at=NOW if number % 2 else None,
    )
    job = outbox.new_job(JobKind.MAIL, mail.id, NOW, lane=Lane.URGENT)
    job.id = UUID(int=number)
    return mail, job


def stored(database, number: int):
    with database.transaction() as session:
        found = [session.get_one(each, UUID(int=number)) for each in (Mail, Job)]
        return [
            {
                column.key: getattr(each, column.key)
                for column in inspect(type(each)).column_attrs
                if column.key not in {"id", "subject_id"}
            }
            for each in found
        ]


@pytest.mark.parametrize("number", [2, 3])
def test_rows_that_are_inserted_together_are_as_the_session_would_have_inserted_them(
    database, number
):
    with database.transaction() as session:
        session.add_all(new_rows(number))
    with database.transaction() as session:
        mail, job = new_rows(number + 10)
        inserting.insert_together(session, mail, job)
        assert job.attempts == 0  # known, though nothing was read back
        assert not session.dirty
    assert stored(database, number + 10) == stored(database, number)
