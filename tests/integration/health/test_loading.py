"""A dump is loaded into the database while the web serves: nobody gets a 500, and it recovers by itself."""

import logging
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from identity.app import create_app
from identity.routing.rules_in_force import LOOK_EVERY
from tests.services.postgresql import find_binaries
from tests.services.waiting import wait_for

ADDRESS = "ana@ac-rouen.example"
INFO = f"/_matrix/identity/api/v1/info?medium=email&address={ADDRESS}"
BODY = {"medium": "email", "address": ADDRESS, "client_secret": "a", "send_attempt": 1}
SECTIONS = ("pre-data", "data", "post-data")  # as pg_restore loads a dump


class Dump:
    """Of the database of these services, and the way back into it, in parts."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.file = make_url(url), folder / "guichet.dump"

    def take(self) -> None:
        if self.url.get_backend_name() == "sqlite":
            with closing(sqlite3.connect(self.url.database)) as source:
                self.file.write_text("\n".join(source.iterdump()))
        else:
            self._run("pg_dump", "--format=custom", f"--file={self.file}")

    def load(self) -> Iterator[str]:
        """Empties the database, and loads one part after the other; gives the name of each state."""
        if self.url.get_backend_name() == "sqlite":
            yield from self._load_sqlite()
            return
        self._run("psql", "-qc", "DROP SCHEMA public CASCADE")
        yield "no schema"
        self._run("psql", "-qc", "CREATE SCHEMA public")
        yield "empty"
        for section in SECTIONS:
            self._run("pg_restore", "--exit-on-error", f"--section={section}", str(self.file))
            yield section

    def _load_sqlite(self) -> Iterator[str]:
        with closing(sqlite3.connect(self.url.database, isolation_level=None)) as target:
            names = target.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for (name,) in names:
                target.execute(f"DROP TABLE {name}")
            yield "empty"
            steps = self.file.read_text()
            cut = steps.index("CREATE TABLE", len(steps) // 2)
            target.executescript(steps[:cut] + "COMMIT;")
            yield "half"
            target.executescript("BEGIN;" + steps[cut:])
            yield "whole"

    def _run(self, program: str, *options: str) -> None:
        where = str(self.url.set(drivername="postgresql").render_as_string(hide_password=False))
        subprocess.run([find_binaries() / program, f"--dbname={where}", *options], check=True)


@pytest.fixture
def client(services):
    return create_app(services).test_client()


def ask(client) -> list[tuple[int, bool]]:
    """One request of each kind; status, and whether it says when to come again."""
    answers = [
        client.get(INFO),
        client.get("/start"),
        client.get("/account/1"),
        client.get("/v/nothing"),
        client.get("/_matrix/identity/v2/pubkey/isvalid?public_key=A"),
        client.post("/_matrix/identity/v2/account/register", json={"matrix_server_name": "x"}),
        client.post("/_matrix/identity/v2/validate/email/requestToken", json=BODY),
        client.post("/_matrix/identity/v2/lookup", json={}, headers={"Authorization": "Bearer a"}),
        client.get("/api/homeserver/v1/rules", headers={"Authorization": "Bearer guichet_a"}),
    ]
    return [(answer.status_code, "Retry-After" in answer.headers) for answer in answers]


def test_nobody_gets_a_500_while_a_dump_is_loaded_and_all_is_well_afterwards(
    services, client, tmp_path, caplog
):
    url = services.database.engine.url.render_as_string(hide_password=False)
    dump, before = Dump(url, tmp_path), ask(client)
    dump.take()
    seen = {}
    for state in dump.load():
        answer = client.get("/readyz")
        seen[state] = answer.status_code, answer.json["degraded"]
        for status, says_when in ask(client):
            assert status < 500 or (status == 503 and says_when), state
    *loading, whole = seen.values()
    assert set(map(str, loading)) == {str((503, ["schema"]))}, seen
    assert whole[0] == 200
    wait_for(lambda: ask(client) == before, what="all is as before", within=30 * LOOK_EVERY)
    assert services.rules.current().revision == 1
    assert not any(record.exc_info for record in caplog.records)


def test_what_is_missing_is_logged_with_its_sqlstate(services, client, caplog):
    with services.database.transaction() as session:
        session.execute(text("DROP TABLE homeserver_credentials"))
    with caplog.at_level(logging.WARNING):
        answer = client.get(
            "/api/homeserver/v1/rules", headers={"Authorization": "Bearer guichet_a"}
        )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    told = [record.sqlstate for record in caplog.records if hasattr(record, "sqlstate")]
    is_postgresql = services.database.engine.dialect.name == "postgresql"
    assert told.count("42P01" if is_postgresql else "SQLITE_ERROR") == 1


def test_rules_that_are_loaded_in_part_are_not_kept(services):
    """Under the number of them all they would stay until the next revision."""
    url = services.database.engine.url
    if url.get_backend_name() == "sqlite":
        with services.database.transaction() as session:
            session.execute(text("ALTER TABLE rules RENAME TO whole"))
            session.execute(text("CREATE TABLE rules AS SELECT * FROM whole WHERE false"))
    else:
        with services.database.transaction() as session:
            session.execute(text("ALTER TABLE rules DROP CONSTRAINT pk_rules CASCADE"))
    fresh = create_app(services).test_client()
    assert fresh.get(INFO).status_code == 503
    assert fresh.get("/readyz").json["degraded"] == ["schema"]
