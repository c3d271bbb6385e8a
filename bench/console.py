"""Measures every list of the console and the page behind it, beside long tables, on both databases."""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import event, text

from identity.app import create_app
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from identity.core.journal import Actor
from identity.migrations import upgrading
from identity.operators import service as operating, sessions
from identity.operators.models import Operator
from identity.operators.roles import Role
from identity.operators.service import Standing
from identity.services import Services, build_worker_services
from identity.settings import Settings
from tests.services.dns_server import DnsServer
from tests.services.keys import KEYS, PUBLIC_HALF, WORKER_KEYS
from tests.worlds.console_screens import put_something_on_each
from tests.worlds.domain_askers import Office
from tests.worlds.many_rows import DAYS, fill
from tests.worlds.services import begin_federation, sample_rules

from .probes import postgresql
from .rows import Row

ACCOUNTS: Final = int(os.environ.get("BENCH_CONSOLE_ROWS", "1000000"))
SIZES: Final = {
    "accounts": ACCOUNTS,
    "associations": ACCOUNTS,
    "mails": ACCOUNTS,
    "outbox": ACCOUNTS // 10,
    "journal": ACCOUNTS // 10,
    "third_party_invitations": ACCOUNTS // 10,
    "verification_requests": ACCOUNTS // 10,
}
FILTERS: Final = (
    *(
        "/admin/mails?state=handed",
        "/admin/mails?domain=open.example",
        "/admin/mails?state=waiting",
    ),
    *("/admin/mails?template=verify&domain=open.example", "/admin/invitations?state=sent"),
    *("/admin/invitations?delivery=dead", "/admin/invitations?domain=open.example"),
    *("/admin/invitations?homeserver=agents.example", "/admin/journal?action=mail"),
    "/admin/domains/open.example",
)
FOLLOWED: Final = ("/admin/mails", "/admin/invitations", "/admin/journal")
"""Lists whose pages behind the first are measured too."""
PAGES: Final = 20
TIMES: Final = 15
MOST: Final = 100.0  # milliseconds of server time
MOST_QUERIES: Final = 8


def measure() -> Iterator[Row]:
    """Run the suite. The slowest screen counts, by the best of its answers."""
    with postgresql() as server:
        yield from _measure("postgresql", server.url(server.create_database()))
    with tempfile.TemporaryDirectory() as folder:
        yield from _measure("sqlite", f"sqlite:///{Path(folder) / 'guichet.db'}")


def _measure(name: str, url: str) -> Iterator[Row]:
    with _installation(url) as (client, services, paths):
        taken = {each: _best(client, path) for each, path in paths.items()}
        for first in FOLLOWED:
            taken[f"{first}, page {PAGES}"] = _best(client, _page_behind(client, first))
        # What is kept in memory is read anew every other second: the least is the page's own.
        queries = {
            each: min(_count_queries(client, services, path) for _ in range(3))
            for each, path in paths.items()
        }
    slowest = max(taken, key=lambda each: taken[each])
    told = ", ".join(f"{each} {ms:.0f} ms" for each, ms in sorted(taken.items(), key=_by_value)[:5])
    title = f"console, {len(paths)} screens, {ACCOUNTS:,} accounts and mails, {name}"
    yield Row(f"{title}, {slowest}", taken[slowest], "ms", at_most=MOST, detail=told)
    most = max(queries, key=lambda each: queries[each])
    yield Row(f"{title}, {most}", queries[most], "queries", at_most=MOST_QUERIES)


def _by_value(pair: tuple[str, float]) -> float:
    return -pair[1]


@contextmanager
def _installation(url: str) -> Iterator[tuple[FlaskClient, Services, dict[str, str]]]:
    """A console in which an admin is signed in, beside tables of these sizes; its screens by name."""
    upgrading.upgrade(url)
    services = build_worker_services(_settings(url))
    try:
        with services.database.transaction() as session:
            begin_federation(session, services.now(), sample_rules(), PUBLIC_HALF.key_id)
            services.hashes.settle(session, services.now())
        me, other = _operator(services, "Ada"), _operator(services, "Ugo")
        _fill(url, dict.fromkeys(SIZES, DAYS))  # a mail and an invitation to look at
        dns = DnsServer()
        dns.begin()
        paths = put_something_on_each(Office(services, services.now, dns), me, other)
        dns.end()
        _fill(url, SIZES)
        client = create_app(services).test_client()
        with services.database.transaction() as session:
            client.set_cookie(
                "guichet-ops", sessions.open_session(session, services.now(), me, proved=True)
            )
        yield client, services, paths | {each: each for each in FILTERS}
    finally:
        services.database.engine.dispose()


def _fill(url: str, sizes: Mapping[str, int]) -> None:
    """So many more rows in each table, and the database has looked at them."""
    database = Database(make_engine(url, UPGRADE))
    for table, rows in sizes.items():
        with database.transaction() as session:
            fill(session, utc_now(), rows, first=rows, tables=(table,))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze"))
    database.engine.dispose()


def _operator(services: Services, name: str) -> Operator:
    everything = Standing(frozenset({Role.ADMIN, Role.APPROVER, Role.SUPPORT}))
    with services.database.transaction() as session:
        return operating.add(
            session,
            services.now(),
            Actor("bench", "here", "a measurement"),
            mail=f"{name.lower()}@ops.example",
            name=name,
            language="en",
            standing=everything,
        )


def _best(client: FlaskClient, path: str) -> float:
    """The quickest of some answers: what else the machine does is no part of it."""
    return min(_milliseconds(client, path) for _ in range(TIMES))


def _milliseconds(client: FlaskClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path, follow_redirects=True)
    if answer.status_code != HTTPStatus.OK:
        raise SystemExit(f"{path}: {answer.status_code}")
    return (time.perf_counter() - began) * 1000


def _page_behind(client: FlaskClient, path: str) -> str:
    """The path of a later page of a list, or of its last one."""
    for _ in range(PAGES):
        found = re.search(r'rel="next" href="([^"]+)"', client.get(path).text)
        if found is None:
            break
        path = found[1].replace("&amp;", "&")
    return path


def _count_queries(client: FlaskClient, services: Services, path: str) -> int:
    """How many SELECTs the page sends, beside the one that says who is signed in."""
    found = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        is_own = "operator_sessions" not in statement and "FROM operators" not in statement
        if statement.lstrip().upper().startswith(("SELECT", "WITH")) and is_own:
            found.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        client.get(path, follow_redirects=True)
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
    return len(found)


def _settings(url: str) -> Settings:
    names = ("secret_keys", "storage_keys", "homeserver_public_key", "homeserver_keys")
    keys = {name: (KEYS | WORKER_KEYS)[f"GUICHET_{name.upper()}"] for name in names}
    broker = SecretStr("redis://127.0.0.1:1/0")
    return Settings(database_url=SecretStr(url), broker_url=broker, approvals="one", **keys)
