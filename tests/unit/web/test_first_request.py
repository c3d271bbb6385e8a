"""What requests read is loaded before a process listens: the first asks for nothing more than the tenth."""

import logging
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import event

from identity.app import create_app
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import WEB
from identity.core.keyed_hashes import KeyedHashes
from identity.freezes.in_force import FreezesInForce
from identity.routing.rules_in_force import RulesInForce
from identity.translations import texts
from identity.web.loading import load
from tests.services.processes import ROOT

NEVER = float("inf")  # seconds until rules and freezes are looked at again
INFO = "/_matrix/identity/api/v1/info?medium=email&address=ana@ac-rouen.example"
PUBLIC = (INFO, "/start", "/healthz", "/_matrix/identity/v2", "/_matrix/identity/v2/terms")
INTERNAL = (INFO.replace("/info", "/internal-info"), "/healthz")


@pytest.fixture
def fresh(services):
    """The services as those of a process that was just started."""
    return begun(services, services.database)


def begun(services, database):
    rules = RulesInForce(database, services.now, look_every=NEVER)
    freezes = FreezesInForce(database, services.now, look_every=NEVER)
    made = replace(services, database=database, rules=rules, freezes=freezes)
    assert isinstance(made.hashes, KeyedHashes)
    assert made.hashes is not services.hashes
    return made


@pytest.mark.parametrize(
    ("listener", "path"),
    [*(("public", path) for path in PUBLIC), *(("internal", path) for path in INTERNAL)],
)
def test_the_first_request_asks_the_database_nothing_that_the_tenth_does_not(fresh, listener, path):
    app = create_app(fresh, listener=listener)
    load(app)
    client, asked = app.test_client(), []

    def note(_connection, _cursor, statement, *_):  # in whichever thread
        asked[-1].append(statement)

    event.listen(fresh.database.engine, "before_cursor_execute", note)
    for _ in range(10):
        asked.append([])
        assert client.get(path).status_code in {200, 403}
    event.remove(fresh.database.engine, "before_cursor_execute", note)
    assert asked[0] == asked[-1]


def test_the_first_page_finds_its_template_and_its_texts(fresh, monkeypatch):
    app = create_app(fresh)
    load(app)
    misses = texts.cache_info().misses
    compiled = []
    monkeypatch.setattr(app.jinja_env, "compile", lambda *_, **__: compiled.append(1))
    assert app.test_client().get("/start").status_code == 200
    assert (compiled, texts.cache_info().misses) == ([], misses)


def test_a_process_starts_without_a_database_and_loads_later(services, caplog):
    away = Database(make_engine("postgresql+psycopg://guichet@127.0.0.1:1/guichet", WEB))
    made = begun(services, away)
    app = create_app(made)
    with caplog.at_level(logging.WARNING, "identity.web.loading"):
        load(app)
    said = [each.getMessage() for each in caplog.records if each.name == "identity.web.loading"]
    assert said == ["nothing is loaded yet: the database is away: OperationalError"]
    assert app.test_client().get("/healthz").status_code == 200
    assert app.test_client().get("/readyz").status_code == 503
    made = begun(services, services.database)
    assert made.rules.revision is None
    load(create_app(made))
    assert made.rules.revision == 1


def test_where_tables_are_missing_the_log_names_the_command_that_makes_them(
    services, empty_database_url, caplog
):
    database = Database(make_engine(empty_database_url, WEB))
    app = create_app(begun(services, database))
    with caplog.at_level(logging.WARNING, "identity.web.loading"):
        load(app)
    said = [each.getMessage() for each in caplog.records if each.name == "identity.web.loading"]
    database.engine.dispose()
    assert said == ["nothing is loaded yet: the tables are missing or old: guichet db upgrade"]


@pytest.mark.parametrize("name", ["app", "internal"])
def test_what_servers_import_is_loaded(name, sqlite_url, tmp_path):
    """granian and gunicorn take it by its name, and listen then."""
    code = (
        f"import gc, wsgi; wsgi.{name}; print(wsgi.services.rules.revision);"
        "print(gc.isenabled(), 20 * len(gc.get_objects()) < gc.get_freeze_count()); wsgi.stop()"
    )
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    env |= {"GUICHET_DATA_DIR": str(tmp_path), "GUICHET_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    revision, collector = done.stdout.splitlines()[-2:]
    assert revision == "0", "before the first revision there are no rules"
    assert collector == "True True", (
        "no request waits while the collector walks over what is loaded"
    )
