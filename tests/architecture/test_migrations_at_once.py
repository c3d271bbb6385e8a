"""Upgrades of several nodes at once, tables in use, and the way back."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from identity import migrations
from identity.core import journal
from identity.core.database import Database, make_engine
from identity.core.journal import Actor
from identity.migrations import CannotDowngrade
from identity.migrations.running import Blocked, Patience

OLGA = Actor("Olga", "here", "too early")
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
NEWEST = migrations.newest_revision()
AT_ONCE = 5
SHORT = Patience(node=0.5, tries=2, pause=0.1)
USED = Patience(tries=1000, pause=0.05)


@pytest.fixture
def upgraded(empty_database_url):
    """A database that came from revision 0016 to the newest."""
    migrations.upgrade(empty_database_url, "0016")
    migrations.upgrade(empty_database_url, who=OLGA, now=NOW)
    return empty_database_url


@pytest.fixture
def opened(upgraded):
    database = Database(make_engine(upgraded))
    yield database
    database.engine.dispose()


def test_of_nodes_that_upgrade_at_once_one_does_it_and_the_others_find_it_done(empty_database_url):
    changes, together = [], threading.Barrier(AT_ONCE)

    def upgrade():
        together.wait(60)
        changes.append(migrations.upgrade(empty_database_url, patience=Patience(pause=0.05)))

    nodes = [threading.Thread(target=upgrade) for _ in range(AT_ONCE)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join(240)
    assert len(changes) == AT_ONCE
    assert sum(change.is_any for change in changes) == 1
    assert {change.after for change in changes} == {NEWEST}


def test_who_waits_for_another_node_does_not_wait_for_ever(empty_database_url):
    """The other holds the lock, and stands still."""
    engine = make_engine(empty_database_url)
    with engine.begin() as other:
        if other.dialect.name == "postgresql":
            other.execute(sa.text("SELECT pg_advisory_xact_lock(7265002)"))
            told = "another node has been changing the schema"
        else:
            told = "stop what writes into the database"
        with pytest.raises(Blocked, match=told):
            migrations.upgrade(empty_database_url, patience=SHORT)
    engine.dispose()
    assert migrations.upgrade(empty_database_url, patience=SHORT).after == NEWEST


@pytest.mark.postgresql
def test_a_table_in_use_is_waited_for_in_short_turns_and_who_uses_it_is_named(
    empty_postgresql_url, monkeypatch
):
    """Behind a lock that is waited for, all others wait too: so each turn is short."""
    monkeypatch.setattr("identity.migrations.running.TABLE_TIMEOUT", 0.2)
    migrations.upgrade(empty_postgresql_url, "0016")
    engine = make_engine(empty_postgresql_url)
    with engine.begin() as reader:
        reader.execute(sa.text("SELECT 1 FROM worker_heartbeats"))
        pid = reader.scalar(sa.text("SELECT pg_backend_pid()"))
        with pytest.raises(Blocked, match=rf"2 tries.*process {pid} .*pg_terminate_backend"):
            migrations.upgrade(empty_postgresql_url, patience=SHORT)
        assert migrations.current_revision(empty_postgresql_url) == "0016"
        waiting = threading.Thread(
            target=migrations.upgrade, args=[empty_postgresql_url], kwargs={"patience": USED}
        )
        waiting.start()
        # In between, others read the table.
        with engine.connect() as other:
            other.execute(sa.text("SELECT 1 FROM worker_heartbeats"))
    waiting.join(240)
    engine.dispose()
    assert migrations.current_revision(empty_postgresql_url) == NEWEST


def test_the_way_back_leads_to_before_the_last_upgrade(upgraded, opened):
    way = migrations.find_way_back(upgraded)
    assert (way.now, way.older, list(way.losses)) == (NEWEST, "0016", [])
    assert migrations.downgrade(upgraded, way, who=OLGA, now=NOW).after == "0016"
    assert migrations.find_way_back(upgraded).older == "0015"
    assert migrations.upgrade(upgraded, who=OLGA, now=NOW).after == NEWEST
    with opened.reading() as session:
        told = [(row.action, row.reason, row.subject) for row in journal.find_recent(session)]
        assert journal.verify(session).fault is None
    assert told == [
        ("db.upgrade", "too early", NEWEST),
        ("db.downgrade", "too early", "0016"),
        ("db.upgrade", "too early", NEWEST),
    ]


def test_what_would_be_lost_is_counted(upgraded, opened):
    with opened.transaction() as session:
        session.execute(
            sa.text("INSERT INTO key_uses VALUES ('link', 'a', :now, NULL)"), {"now": NOW}
        )
        session.execute(
            sa.text(
                "INSERT INTO worker_heartbeats (worker, key_ids, seen_at) VALUES ('a', '', :now)"
            ),
            {"now": NOW},
        )
    assert list(map(str, migrations.find_way_back(upgraded).losses)) == [
        "the table key_uses (1 rows)"
    ]
    # Columns, and not of rows that have only their default.
    lost = {str(loss) for loss in migrations.find_way_back(upgraded, "0008").losses}
    assert lost == {"the table key_uses (1 rows)"}


def test_columns_that_would_be_lost_are_counted_without_their_defaults(empty_database_url):
    migrations.upgrade(empty_database_url, "0016")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        for number, signs in enumerate(("", "&=")):
            connection.execute(
                sa.text(
                    "INSERT INTO rules (since_revision, kind, pattern, account_class,"
                    " requires_invite, organisation, moved_from, note, extra_signs)"
                    " VALUES (1, 'domain', :pattern, 'agent', false, 'O', '[]', '', :signs)"
                ),
                {"pattern": f"{number}.example", "signs": signs},
            )
    engine.dispose()
    found = migrations.find_way_back(empty_database_url, "0008").losses
    assert [str(loss) for loss in found] == ["rules.extra_signs (1 rows)"]


@pytest.mark.parametrize("wanted", ["0001x", "0099", NEWEST])
def test_there_is_no_way_to_a_revision_that_is_not_before(upgraded, wanted):
    with pytest.raises(CannotDowngrade, match=f"no revision {wanted} before {NEWEST}"):
        migrations.find_way_back(upgraded, wanted)


def test_a_database_of_a_later_version_is_left_to_that_version(upgraded, opened):
    with opened.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CannotDowngrade, match="of that version"):
        migrations.find_way_back(upgraded)
