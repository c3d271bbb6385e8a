"""Sydent, the identity server that Guichet is measured beside: `matrix-sydent` from PyPI.

It stands in `.venv-sydent`, with its own defaults, SQLite, and 100,000 associations. It sends mails
inside the request; they go to a relay on loopback. Its limit is five mails an account at once, so
accounts take turns here too.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import requests

from identity.threepids.peppers import hash_address
from tests.services.processes import Web
from tests.services.synapse import ROOT
from tests.services.waiting import LOOPBACK, free_port

from .installation import (
    ACCOUNTS,
    FEW,
    Installation,
    address_of,
    installation,
    token_of,
    user_of,
)
from .load import Target

PYTHON = ROOT / ".venv-sydent" / "bin" / "python"
CONFIGURATION = """
[general]
server.name = sydent.example
templates.path = {folder}/templates
brand.default = plain
pidfile.path = {folder}/sydent.pid

[db]
db.file = {folder}/sydent.db

[http]
clientapi.http.bind_address = 127.0.0.1
clientapi.http.port = {port}
client_http_base = http://127.0.0.1:{port}
obey_x_forwarded_for = true

[email]
email.from = Sydent <noreply@sydent.example>
email.smtphost = 127.0.0.1
email.smtpport = {relay}
email.hostname = sydent.example
"""
MAIL = """Date: {{ date }}
From: {{ from|safe }}
To: {{ to|safe }}
Message-ID: {{ messageid|safe }}
Subject: {{ subject_header_value|default("Your code")|safe }}
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

Somebody has typed this address, or invited you. If it was you, go on here:
{{ link|default(web_client_location)|safe }}

The code is {{ token }}. If you did not ask for it, you need not do anything.
"""
# It works on one request after the other, reads all connections first, and sends all answers at the
# end. With 16 connections a second of slow requests would hold two such turns, or none.
SLOW = {"connections": 4, "seconds": 2}
FAR = 4_000_000_000_000  # milliseconds since 1970
# Sydent's lookup walks all associations and looks each up among the hashes asked. Told that there
# are a hundred million, each hash once, SQLite goes from the hashes asked: Sydent's own code, with
# its join turned round.
TURN_JOIN = """
analyze;
delete from sqlite_stat1 where tbl = 'global_threepid_associations';
insert into sqlite_stat1 values
  ('global_threepid_associations', 'global_threepid_lookup_hash', '100000000 1'),
  ('global_threepid_associations', null, '100000000');
"""


def sydent(*, join_turned: bool = False) -> Target:
    """The running server; `join_turned`: see TURN_JOIN."""
    servers = installation()
    web = servers.started(("sydent", join_turned), lambda: _start(servers, join_turned=join_turned))
    return Target(web.url, [web.pid])


def pepper_of(target: Target) -> str:
    """The pepper that it told."""
    answer = requests.get(
        f"{target.url}/_matrix/identity/v2/hash_details",
        headers={"Authorization": f"Bearer {token_of(0)}"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["lookup_pepper"])


def _start(servers: Installation, *, join_turned: bool) -> Web:
    if not PYTHON.exists():
        raise SystemExit("Sydent is missing: make bench installs it")
    folder = servers.folder / f"sydent-{'turned' if join_turned else 'plain'}"
    templates = folder / "templates" / "plain"
    templates.mkdir(parents=True)
    for name in ("invite_template.eml.j2", "verification_template.eml.j2"):
        (templates / name).write_text(MAIL)
    port = free_port()
    configuration = folder / "sydent.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, relay=servers.relay.port)
    )
    web = _run(servers, folder, configuration, port)  # makes its tables and its pepper
    web.stop()
    _fill(folder / "sydent.db", join_turned=join_turned)
    return _run(servers, folder, configuration, port)


def _run(servers: Installation, folder: Path, configuration: Path, port: int) -> Web:
    web = Web(
        [str(PYTHON), "-m", "sydent.sydent"],
        log=folder / "sydent.log",
        env={"PATH": "/usr/bin:/bin", "SYDENT_CONF": str(configuration)},
        cwd=folder,
    )
    servers.processes.started.append(web)
    web.url = f"http://{LOOPBACK}:{port}"
    web.wait_until_up("/_matrix/identity/versions")
    return web


def _fill(path: Path, *, join_turned: bool) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        (pepper,) = database.execute("select lookup_pepper from hashing_metadata").fetchone()
        database.executemany(
            "insert into accounts (user_id, created_ts, consent_version) values (?, 0, null)",
            ((user_of(number),) for number in range(ACCOUNTS)),
        )
        database.executemany(
            "insert into tokens (token, user_id) values (?, ?)",
            ((token_of(number), user_of(number)) for number in range(ACCOUNTS)),
        )
        database.executemany(
            "insert into global_threepid_associations (medium, address, mxid, ts, notBefore,"
            " notAfter, originServer, originId, sgAssoc, lookup_hash)"
            " values ('email', ?, ?, 1, 1, ?, 'sydent.example', ?, '{}', ?)",
            _associations(pepper),
        )
        if join_turned:
            database.executescript(TURN_JOIN)


def _associations(pepper: str) -> Iterator[tuple[str, str, int, int, str]]:
    for number in range(FEW):
        address = address_of(number)
        yield address, user_of(number), FAR, number, hash_address(address, "email", pepper)
