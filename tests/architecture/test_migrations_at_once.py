"""Upgrades of several nodes at once, tables in use, and the way back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from identity import migrations
from identity.core import journal, nodes
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.journal import Actor
from identity.core.nodes import NodeKind, NodeReport
from identity.migrations import losses, running, upgrading
from identity.migrations.dependents import FIRST
from identity.migrations.running import Blocked, Patience
from identity.migrations.upgrading import CannotDowngrade
from tests.services.waiting import wait_for
from tests.worlds.services import FAR

OLGA = Actor("Olga", "here", "too early")
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
NEWEST = migrations.newest_revision()
LANDED = "0030"  # later columns of its tables are lost on the way back to it
AT_ONCE = 5
SHORT = Patience(node=0.5, tries=2, pause=0.1)
USED = Patience(tries=1000, pause=0.05)


@pytest.fixture
def upgraded(empty_database_url):
    """A database that came from revision 0016 to the newest."""
    upgrading.upgrade(empty_database_url, "0016")
    upgrading.upgrade(empty_database_url, who=OLGA, now=NOW)
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
        changes.append(upgrading.upgrade(empty_database_url, patience=Patience(pause=0.05)))

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
            upgrading.upgrade(empty_database_url, patience=SHORT)
    engine.dispose()
    assert upgrading.upgrade(empty_database_url, patience=SHORT).after == NEWEST


@pytest.mark.postgresql
def test_a_table_in_use_is_waited_for_in_short_turns_and_who_uses_it_is_named(
    empty_postgresql_url, monkeypatch
):
    """Behind a lock that is waited for, all others wait too: so each turn is short."""
    monkeypatch.setattr("identity.migrations.running.TABLE_TIMEOUT", 0.2)
    upgrading.upgrade(empty_postgresql_url, "0016")
    engine = make_engine(empty_postgresql_url)
    with engine.begin() as reader:
        reader.execute(sa.text("SELECT 1 FROM worker_heartbeats"))
        pid = reader.scalar(sa.text("SELECT pg_backend_pid()"))
        with pytest.raises(Blocked, match=rf"2 tries.*process {pid} .*pg_terminate_backend"):
            upgrading.upgrade(empty_postgresql_url, patience=SHORT)
        assert migrations.current_revision(empty_postgresql_url) == "0016"
        waiting = threading.Thread(
            target=upgrading.upgrade, args=[empty_postgresql_url], kwargs={"patience": USED}
        )
        waiting.start()
        # In between, others read the table.
        with engine.connect() as other:
            other.execute(sa.text("SELECT 1 FROM worker_heartbeats"))
    waiting.join(240)
    engine.dispose()
    assert migrations.current_revision(empty_postgresql_url) == NEWEST


def test_the_way_back_leads_to_before_the_last_upgrade(upgraded, opened):
    way = upgrading.find_way_back(upgraded)
    assert (way.now, way.older, list(way.losses)) == (NEWEST, "0016", [])
    assert upgrading.downgrade(upgraded, way, who=OLGA, now=NOW).after == "0016"
    # Run a second time, it goes no further.
    with pytest.raises(
        CannotDowngrade, match=r"back from .* to 0016 already.*the one before is 0015"
    ):
        upgrading.find_way_back(upgraded)
    assert upgrading.find_way_back(upgraded, "0015").older == "0015"
    assert upgrading.upgrade(upgraded, who=OLGA, now=NOW).after == NEWEST
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
            sa.text(
                "INSERT INTO freezes (what, domain, since, author, reason)"
                " VALUES ('mails', '', :now, 'Olga', '')"
            ),
            {"now": NOW},
        )
        # What processes write anew by themselves is no loss.
        session.execute(
            sa.text("INSERT INTO key_uses VALUES ('link', 'a', :now, NULL)"), {"now": NOW}
        )
        session.execute(
            sa.text(
                "INSERT INTO worker_heartbeats (worker, key_ids, seen_at) VALUES ('a', '', :now)"
            ),
            {"now": NOW},
        )
    for older in (None, "0008"):
        found = upgrading.find_way_back(upgraded, older).losses
        assert [str(loss) for loss in found] == ["freezes (1 row): what is frozen goes on"]


def test_whoever_goes_back_reads_what_each_loss_means():
    """Or it is none: written anew, or for logs and figures alone."""
    lost = _lost(FIRST) | _lost(LANDED)
    explained = set(losses.MEANINGS) | losses.BOOKKEEPING
    assert lost <= explained | losses.TRANSIENT
    assert explained <= lost


def _lost(then):
    """The tables, and the columns of tables that stay, which the older revision has not."""
    older, now = losses.columns_at(then), losses.columns_at(NEWEST)
    columns = {f"{name}.{each}" for name in older for each in now[name] - older[name]}
    kept = {each for each in columns if each.partition(".")[0] not in losses.TRANSIENT}
    return kept | (set(now) - set(older))


def test_the_way_back_can_be_gone_step_by_step(upgraded):
    """Each step leaves the schema of its revision, and the way up leads through it again."""
    here, steps = NEWEST, []
    while here > FIRST:
        steps.append(here)
        older = f"{int(here) - 1:04}"
        way = upgrading.find_way_back(upgraded, older)
        here = upgrading.downgrade(upgraded, way, who=OLGA, now=NOW).after
        assert here == older
        assert columns_of(upgraded) == losses.columns_at(here)
    for newer in reversed(steps):
        assert upgrading.upgrade(upgraded, newer).after == newer
    assert columns_of(upgraded) == losses.columns_at(NEWEST)


def columns_of(url):
    engine = make_engine(url)
    seen = sa.inspect(engine)
    found = {
        name: {each["name"] for each in seen.get_columns(name)}
        for name in seen.get_table_names()
        if name != losses.VERSIONS
    }
    engine.dispose()
    return found


def test_who_needs_the_newer_schema_is_named_and_who_does_not_may_run_on(upgraded, opened):
    reports = [
        NodeReport("a", kind=NodeKind.WEB, host="a", schema=NEWEST),
        NodeReport("b", kind=NodeKind.WORKER, host="b", schema="9999"),
        NodeReport("c", kind=NodeKind.WORKER),  # as version 0.1.0 reports itself
    ]
    with opened.transaction() as session:
        for report in reports:
            nodes.record_heartbeat(session, FAR, report)  # they live, however long this takes
        gone = NodeReport("d", kind=NodeKind.SCHEDULER, host="d", schema=NEWEST)
        nodes.record_heartbeat(session, utc_now() - timedelta(minutes=1), gone)
    assert upgrading.find_way_back(upgraded).dependents == ["web on a", "worker on b"]
    named = upgrading.find_way_back(upgraded, "0015").dependents
    assert named == ["a worker of version 0.1.0", "web on a", "worker on b"]
    # Of the older schema, too, it is known who needs more than one that is older still.
    upgrading.downgrade(upgraded, upgrading.find_way_back(upgraded), who=OLGA, now=NOW)
    named = upgrading.find_way_back(upgraded, "0015").dependents
    assert named == ["a worker of version 0.1.0"]


@pytest.mark.postgresql
def test_a_request_that_holds_one_table_and_needs_another_is_not_ended_by_an_upgrade(
    empty_postgresql_url, monkeypatch
):
    """An upgrade that waited with a table in hand would be in a deadlock with it."""
    upgrading.upgrade(empty_postgresql_url, "0016")
    engine, met, judge = make_engine(empty_postgresql_url), threading.Event(), running._is_locked

    def is_locked(error):
        met.set()
        return judge(error)

    monkeypatch.setattr(running, "_is_locked", is_locked)
    thread = threading.Thread(
        target=upgrading.upgrade, args=[empty_postgresql_url], kwargs={"patience": USED}
    )
    with engine.begin() as request, engine.connect() as other:
        request.execute(sa.text("DELETE FROM verification_requests"))  # held, and altered late
        thread.start()
        begun = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        wait_for(lambda: other.scalar(begun), what="the upgrade has begun")
        _wait_until_it_met_the_request(other, met)
        request.execute(sa.text("DELETE FROM worker_heartbeats"))  # altered first
        request.execute(sa.text("DELETE FROM mails"))
    thread.join(240)
    engine.dispose()
    assert migrations.current_revision(empty_postgresql_url) == NEWEST


def _wait_until_it_met_the_request(connection, met):
    """It found the table in use, and holds nothing; or, which is the fault, it waits for the table.

    PostgreSQL ends whoever finds a deadlock after `deadlock_timeout` of waiting. Once the upgrade has
    waited for longer, it is the request that would be ended.
    """
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    longer = (
        " AND clock_timestamp() - query_start > 1.5 * current_setting('deadlock_timeout')::interval"
    )

    def ask(statement):
        connection.rollback()  # else it sees the same again
        return connection.scalar(sa.text(statement))

    wait_for(lambda: met.is_set() or ask(waits), what="the upgrade meets the request")
    wait_for(
        lambda: not ask(waits) or ask(waits + longer), what="it goes on, or has waited for long"
    )


def test_columns_that_would_be_lost_are_counted_without_their_defaults(empty_database_url):
    upgrading.upgrade(empty_database_url, "0016")
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
    found = upgrading.find_way_back(empty_database_url, "0008").losses
    assert [str(loss) for loss in found] == ["rules.extra_signs (1 row)"]


def test_there_is_no_way_to_a_revision_that_is_not_before(upgraded):
    for wanted in ("0001x", "0099", NEWEST):
        with pytest.raises(CannotDowngrade, match=f"no revision {wanted} before {NEWEST}"):
            upgrading.find_way_back(upgraded, wanted)


def test_a_database_of_a_later_version_is_left_to_that_version(upgraded, opened):
    with opened.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CannotDowngrade, match="of that version"):
        upgrading.find_way_back(upgraded)
