"""`guichet db`: up to the schema of this version, and back to the one before."""

import grp
import os
import pwd

import pytest
import sqlalchemy as sa

from identity import migrations
from identity.core import nodes
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.nodes import NodeKind, NodeReport
from identity.migrations import upgrading
from tests.worlds.command_line import *

NEWEST = migrations.newest_revision()


@pytest.fixture
def came_from_0016(run, empty_sqlite_url) -> dict[str, str]:
    """The settings of a database that was upgraded by the command."""
    upgrading.upgrade(empty_sqlite_url, "0016")
    env = {"GUICHET_DATABASE_URL": empty_sqlite_url, **keys_for(run)}
    assert "Would go from 0016" in run("db", "upgrade", "--dry-run", env=env).stderr
    run("db", "upgrade", "--author", "Olga", "--reason", "the new version", env=env)
    return env


def keys_for(run) -> dict[str, str]:
    made = run.json("keys", "init", str(run.folder / "etc"), *owners())
    return made["settings"]


def owners() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["--group", grp.getgrgid(os.getgid()).gr_name, "--worker-user", pwd.getpwuid(0).pw_name]


def test_the_way_back_is_shown_and_gone(run, came_from_0016):
    env = came_from_0016
    assert f"from {NEWEST} to 0016" in run("db", "downgrade", "--dry-run", env=env).stderr
    run("db", "downgrade", "--reason", "it was too early", env=env)
    assert run("db", "current", env=env).stdout == "0016\n"
    assert "guichet db upgrade" in run("domain", "list", ends=1, env=env).stderr
    run("db", "upgrade", env=env)
    told = run("journal", "list", env=env).stdout
    assert "db.downgrade" in told
    assert "it was too early" in told


def test_it_is_not_gone_while_processes_run_or_when_something_would_be_lost(run, came_from_0016):
    env = came_from_0016
    database = Database(make_engine(env["GUICHET_DATABASE_URL"]))
    with database.transaction() as session:
        report = NodeReport("a:1", kind=NodeKind.WEB, host="a", schema=NEWEST)
        nodes.record_heartbeat(session, utc_now(), report)
        session.execute(
            sa.text(
                "INSERT INTO mail_pauses (kind, domain, since, author, reason)"
                " VALUES ('verify', '', :now, 'Olga', '')"
            ),
            {"now": utc_now()},
        )
    assert "Must be stopped first: web on a" in run("db", "downgrade", "--dry-run", env=env).stderr
    refused = run("db", "downgrade", "--discard", ends=3, env=env).stderr
    assert "need a newer schema than 0016: web on a. Stop them first" in refused
    with database.transaction() as session:
        nodes.remove_node(session, "a:1")
    database.engine.dispose()
    refused = run("db", "downgrade", ends=3, env=env).stderr
    assert "mail_pauses (1 row): paused mails leave" in refused
    assert "--discard" in refused
    assert run("db", "current", env=env).stdout == f"{NEWEST}\n"
    run("db", "downgrade", "--discard", env=env)
    assert run("db", "current", env=env).stdout == "0016\n"


def test_a_database_of_a_later_version_is_left_as_it_is(run, came_from_0016):
    database = Database(make_engine(came_from_0016["GUICHET_DATABASE_URL"]))
    with database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.engine.dispose()
    assert "at 9999, of a later version" in run("db", "upgrade", env=came_from_0016).stderr
    told = run("db", "downgrade", ends=1, env=came_from_0016).stderr
    assert "of a later version: run guichet db downgrade of that version" in told


def test_there_is_no_way_back_from_nothing(run, empty_sqlite_url):
    env = {"GUICHET_DATABASE_URL": empty_sqlite_url, **keys_for(run)}
    assert "empty" in run("db", "downgrade", ends=1, env=env).stderr
    run("db", "upgrade", env=env)
    made_so = run("db", "downgrade", ends=1, env=env).stderr
    assert f"no upgrade to {NEWEST} is in the journal" in made_so
    assert "no revision 0099" in run("db", "downgrade", "--to", "0099", ends=1, env=env).stderr
