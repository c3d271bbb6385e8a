"""A database with people in it is brought to the version where sessions, tokens and credentials end."""

from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import text

from identity import migrations
from identity.accounts import verified_addresses
from identity.accounts.feed_state import FeedState
from identity.core.database import Database, make_engine
from identity.threepids import callers
from identity.threepids.account_models import hash_of

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MIXED, OTHER = "mixed.example", "other.example"


@pytest.fixture
def upgraded(empty_database_url):
    """The database of the version before, with tokens and proofs in it, upgraded."""
    command.upgrade(migrations.alembic_config(empty_database_url), "0008")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        for table, row in [*tokens(), *reports_and_proofs()]:
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)
    engine.dispose()
    migrations.upgrade(empty_database_url)
    database = Database(make_engine(empty_database_url))
    yield database
    database.engine.dispose()


def tokens():
    """Of several ages."""
    for days in (400, 100, 10):
        made = (NOW - timedelta(days=days)).replace(tzinfo=None)
        token_hash, user_id = hash_of(f"{days} days old"), "@camille:education.example"
        row = {"token_hash": token_hash, "user_id": user_id, "created_at": str(made)}
        yield "identity_tokens", row


def reports_and_proofs():
    """Addresses proved by reports, one of them rejected."""
    now = str(NOW.replace(tzinfo=None))
    rejected = {"kind": "bound", "result": "rejected", "why": "wrong_server"}
    yield (
        "module_reports",
        {"homeserver": MIXED, "id": "0" * 32, "received_at": now, **rejected},
    )
    yield "feed_state", {"id": 1, "epoch": "before", "number": 3, "judged_by": "1 mixed.example"}
    ana = {"address": "ana@mixed.example", "user_id": f"@ana:{MIXED}"}
    for proof in (
        {"address": "mallory@ac-rouen.example", "user_id": f"@mallory:{MIXED}"},
        {"address": "bo@other.example", "user_id": f"@bo:{OTHER}"},
        ana,
    ):
        yield "proved_addresses", {**proof, "proved_at": now}
    yield "associations", {"medium": "email", **ana, "bound_at": now}


@pytest.mark.slow
def test_old_tokens_count_from_their_making(upgraded):
    with upgraded.reading() as session:
        good = [days for days in (400, 100, 10) if callers.find(session, f"{days} days old", NOW)]
    assert good == [10]


@pytest.mark.slow
def test_what_a_rejected_report_proved_is_forgotten_and_modules_tell_again(upgraded):
    with upgraded.reading() as session:
        assert verified_addresses.addresses_of(session, f"@mallory:{MIXED}") == []
        assert verified_addresses.addresses_of(session, f"@ana:{MIXED}") == ["ana@mixed.example"]
        assert verified_addresses.addresses_of(session, f"@bo:{OTHER}") == ["bo@other.example"]
        state = session.get_one(FeedState, 1)
        assert (state.epoch == "before", state.judged_by) == (False, "")
