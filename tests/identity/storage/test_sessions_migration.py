"""A database with people in it is brought to the version where sessions, tokens and credentials end."""

from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import text

from identity import migrations
from identity.storage import identity_accounts, proved_addresses
from identity.storage.database import Database, make_engine
from identity.storage.feed_state import FeedState
from identity.storage.identity_accounts import _hash

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MIXED, OTHER = "mixed.example", "other.example"


@pytest.fixture
def upgraded(empty_database_url):
    """Tokens of several ages, and addresses proved by reports that were rejected, before the upgrade."""
    command.upgrade(migrations.config(empty_database_url), "0008")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:

        def put(table, **row):
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            row = {
                name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)

        for days in (400, 100, 10):
            put(
                "identity_tokens",
                token_hash=_hash(f"{days} days old"),
                user_id="@camille:education.example",
                created_at=NOW - timedelta(days=days),
            )
        put(
            "module_reports",
            homeserver=MIXED,
            id="0" * 32,
            kind="bound",
            received_at=NOW,
            result="rejected",
            why="wrong_server",
        )
        put("feed_state", id=1, epoch="before", number=3, judged_by="1 mixed.example")
        for user_id, address in (
            (f"@mallory:{MIXED}", "mallory@ac-rouen.example"),
            (f"@ana:{MIXED}", "ana@mixed.example"),
            (f"@bo:{OTHER}", "bo@other.example"),
        ):
            put("proved_addresses", user_id=user_id, address=address, proved_at=NOW)
        put(
            "associations",
            medium="email",
            address="ana@mixed.example",
            user_id=f"@ana:{MIXED}",
            bound_at=NOW,
        )
    engine.dispose()
    migrations.upgrade(empty_database_url)
    database = Database(make_engine(empty_database_url))
    yield database
    database.engine.dispose()


def test_old_tokens_count_from_their_making(upgraded):
    with upgraded.reading() as session:
        good = [
            days
            for days in (400, 100, 10)
            if identity_accounts.of_token(session, f"{days} days old", NOW)
        ]
    assert good == [10]


def test_what_a_rejected_report_proved_is_forgotten_and_modules_tell_again(upgraded):
    with upgraded.reading() as session:
        assert proved_addresses.of_user(session, f"@mallory:{MIXED}") == []
        assert proved_addresses.of_user(session, f"@ana:{MIXED}") == ["ana@mixed.example"]
        assert proved_addresses.of_user(session, f"@bo:{OTHER}") == ["bo@other.example"]
        state = session.get_one(FeedState, 1)
        assert (state.epoch == "before", state.judged_by) == (False, "")
