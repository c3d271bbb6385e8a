"""PostgreSQL stands still (SIGSTOP): nobody waits longer than the deadline, and all is well when it goes on.

The server is this module's own: others must not wait for it.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from identity.core.database import Database, make_engine
from identity.core.database_deadlines import WEB
from identity.migrations import running
from identity.migrations.configuring import alembic_config
from identity.migrations.running import Patience
from tests.services.children import standing_still
from tests.services.person import Person, code_in, plain
from tests.services.postgresql import PostgreSQLServer, running_server
from tests.services.waiting import LOOPBACK, wait_for

HASTY = replace(WEB, connect=2, statement=0.4, lock=0.4, answer=0.5)
HANG = 40.0  # seconds: more than any deadline, on a slow machine too, less than an unbounded wait
ADDRESS = "camille.durand@ac-rouen.example"
INFO = f"/_matrix/identity/api/v1/info?medium=email&address={ADDRESS}"
RULES = "/api/homeserver/v1/rules"
CROWD = 40


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["tcp", "socket"])
def database(request, postgresql_server, empty_postgresql_url) -> Iterator[Database]:
    url = empty_postgresql_url
    if request.param == "socket":
        url = url.replace(f"127.0.0.1:{postgresql_server.port}", "")
        url += f"?host={postgresql_server.folder}&port={postgresql_server.port}"
    opened = Database(make_engine(url, HASTY))
    opened.ping()
    yield opened
    opened.engine.dispose()


@pytest.fixture
def frozen(postgresql_server):
    return lambda: standing_still(postgresql_server)


def is_well_again(database):
    wait_for(lambda: not database.is_away, what="a thread finds the database well")
    with database.transaction() as session:
        return session.execute(text("select 1")).scalar_one() == 1


def test_a_statement_is_cut_off_and_the_next_ones_are_refused_at_once(database, frozen):
    with database.reading() as session, frozen():
        began = time.monotonic()
        with pytest.raises(OperationalError, match="did not answer within"):
            session.execute(text("select 1"))
        assert time.monotonic() - began < HANG
        assert database.is_away
        for refused in (database.transaction, database.reading):
            with pytest.raises(OperationalError, match="lately"), refused():
                pass
        with pytest.raises(OperationalError, match="lately"):
            database.ping()
    assert is_well_again(database)


def commit_on_ice(database, server):
    with database.transaction() as session:
        session.execute(text("create temp table made (here int)"))
        server.freeze()


def test_a_commit_is_cut_off(database, postgresql_server):
    try:
        with pytest.raises(OperationalError, match="did not answer within"):
            commit_on_ice(database, postgresql_server)
        assert database.is_away
    finally:
        postgresql_server.thaw()
    assert is_well_again(database)


def test_a_connection_of_the_pool_is_not_waited_for_twice(database, frozen):
    with frozen():
        began = time.monotonic()
        with pytest.raises(OperationalError), database.reading() as session:
            session.execute(text("select 1"))
        assert time.monotonic() - began < HANG
        assert database.is_away
    assert is_well_again(database)


def test_a_statement_that_is_slow_does_not_mean_that_the_database_is_away(empty_postgresql_url):
    # PostgreSQL cancels it, and has the time to say so on a busy machine as well.
    database = Database(make_engine(empty_postgresql_url, replace(HASTY, answer=20.0)))
    with pytest.raises(OperationalError, match="statement timeout"), database.reading() as session:
        session.execute(text("select pg_sleep(30)"))
    assert not database.is_away
    database.engine.dispose()


def test_a_first_connection_has_an_end_too(postgresql_server, empty_postgresql_url, frozen):
    database = Database(make_engine(empty_postgresql_url, HASTY))
    with frozen():
        began = time.monotonic()
        with pytest.raises(OperationalError):
            database.ping()
        assert time.monotonic() - began < HANG
        assert database.is_away
    assert is_well_again(database)
    database.engine.dispose()


def test_of_several_hosts_a_silent_one_is_not_waited_for_by_each(silent_peer):
    """A primary that stands still, and a standby that is down: the last word is a refusal."""
    hosts = f"?host={LOOPBACK}:{silent_peer.port}&host={LOOPBACK}:1"
    database = Database(make_engine(f"postgresql+psycopg://guichet@/guichet{hosts}", HASTY))
    with pytest.raises(OperationalError, match="refused"):
        database.ping()
    assert database.is_away
    with pytest.raises(OperationalError, match="lately"):
        database.ping()
    silent_peer.hangs_up.set()
    database.engine.dispose()


def test_a_migration_ends_with_a_server_that_stands_still_and_nothing_is_changed(
    postgresql_server, empty_postgresql_url
):
    """Its statements may take hours, so only a second connection can tell."""

    def act(connection):
        connection.execute(text("create table half (done int)"))
        postgresql_server.freeze()
        connection.execute(text("select 1"))

    config = alembic_config(empty_postgresql_url)
    try:
        with pytest.raises(OperationalError):
            running.run(config, act, Patience(silence=2.0))
    finally:
        postgresql_server.thaw()
    slow = running.run(config, pauses, Patience(silence=2.5))
    assert not slow.is_any
    database = Database(make_engine(empty_postgresql_url, HASTY))
    with database.reading() as session:
        assert session.execute(text("select to_regclass('half')")).scalar_one() is None
    database.engine.dispose()


def pauses(connection) -> None:
    """A statement that is slow is none that hangs."""
    connection.execute(text("select pg_sleep(6)"))


@pytest.mark.faults
def test_people_and_programs_are_answered_meanwhile(
    federation, guichet_processes, postgresql_server, smtp_server, record_fault
):
    rotate = ("homeserver", "rotate-credential", "education.example")
    credential = guichet_processes.guichet(*rotate, env=federation).split()[-1]
    web = guichet_processes.web(federation)
    guichet_processes.worker(federation, "--concurrency", "2")
    ask = Asking(web.url, {"Authorization": f"Bearer {credential}"})
    before = ask(INFO).json()
    feed = ask(RULES)
    assert (feed.status_code, before["hs"]) == (200, "education.example")
    camille = Person(web.url)
    with standing_still(postgresql_server):
        crowd = [threading.Thread(target=ask.page, args=("/check/1",)) for _ in range(CROWD)]
        for each in crowd:
            each.start()
        for each in crowd:
            each.join()
        assert set(ask.pages) == {(503, True)}
        assert len(ask.pages) == CROWD
        longest = max(ask.seconds)
        ask.seconds.clear()
        for path in ("/healthz", "/_matrix/identity/v2", "/_matrix/identity/versions"):
            assert ask(path).status_code == 200
        assert ask(INFO).json() == before
        unchanged = ask(RULES, {"If-None-Match": feed.headers["ETag"]})
        assert unchanged.status_code == 304
        assert ask(RULES).content == feed.content
        assert ask(RULES, {"Authorization": "Bearer guichet_unknown"}).status_code == 503
        said = ask("/readyz").json()["degraded"]
        from_memory = max(ask.seconds)
    began = time.monotonic()
    wait_for(lambda: "database" not in ask("/readyz").json()["degraded"], what="it is ready")
    seconds = time.monotonic() - began
    camille.ask(ADDRESS)
    camille.type_code(code_in(plain(smtp_server.wait_for_mail(ADDRESS))))
    assert "/account/1" in camille.page.url
    assert longest < HANG
    record_fault(
        "PostgreSQL: stands still",
        tried=CROWD,
        survived=len(ask.pages),
        seconds=seconds,
        said=f"/readyz: {', '.join(said)}; slowest page {longest:.1f} s, "
        f"then all from memory in {from_memory * 1000:.0f} ms",
    )


class Asking:
    """Asks one Guichet, and remembers how long each answer took."""

    def __init__(self, url, headers):
        self.url, self.headers = url, headers
        self.seconds, self.pages = [], []

    def __call__(self, path, headers=None):
        began = time.monotonic()
        given = self.headers | (headers or {})
        answer = requests.get(self.url + path, headers=given, timeout=2 * HANG)
        self.seconds.append(time.monotonic() - began)
        return answer

    def page(self, path):
        answer = self(path)
        self.pages.append((answer.status_code, "Retry-After" in answer.headers))
