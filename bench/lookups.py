"""Measures lookups of a thousand hashes among a million associations on PostgreSQL."""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import event, text

from identity import migrations
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.journal import Actor
from identity.homeservers.models import Homeserver
from identity.threepids import lookup as lookups, pepper_rotation, peppers
from tests.services.postgresql import PostgreSQLServer

from .rows import Row

ASSOCIATIONS = 1_000_000
PART = 100_000
PARTS = ASSOCIATIONS // PART
ASKED = 1_000  # hashes in one lookup; every other one is bound
TIMES = 1_000
FILL = """
insert into associations (medium, address, user_id, bound_at)
select 'email', 'p' || n || '@agents.example', '@p' || n || '\\:agents.example', now()
from generate_series(cast(:first as int), cast(:last as int)) as n
"""

PLAIN = """
select h.hash, a.user_id from lookup_hashes h join associations a using (medium, address)
where h.pepper_number = (select number from lookup_peppers where pepper = %s) and h.hash = any(%s)
"""
HASH = """
insert into lookup_hashes (hash, pepper_number, medium, address)
select rtrim(translate(encode(sha256(
           convert_to(address || ' email ' || cast(:pepper as text), 'UTF8')
       ), 'base64'), '+/', '-_'), '='),
       :number, medium, address
from associations where abs(hashtext(address)) % :of = :part
"""


def measure() -> Iterator[Row]:
    """Run the suite."""
    with new_database() as database:
        with database.transaction() as session:
            session.add(_homeserver())
        # In parts: PostgreSQL cancels statements after 15 seconds (core/database.py).
        for first in range(0, ASSOCIATIONS, PART):
            with database.transaction() as session:
                session.execute(text(FILL), {"first": first, "last": first + PART - 1})
        _hash_everybody(database)
        with database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(text("vacuum analyze"))
        with database.reading() as session:
            pepper = lookups.current_pepper(session)
        yield from _look(database, pepper)


def _look(database: Database, pepper: str) -> Iterator[Row]:
    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    taken, raw = [], []
    for _ in range(TIMES):
        chosen = random.sample(range(ASSOCIATIONS), ASKED // 2)
        hashes = [peppers.hash_address(f"p{n}@agents.example", "email", pepper) for n in chosen]
        hashes += [peppers.hash_address(f"q{n}@agents.example", "email", pepper) for n in chosen]
        began = time.perf_counter()
        find = partial(
            lookups.find,
            now=utc_now(),
            by_agent=True,
            algorithm="sha256",
            with_pepper=pepper,
            texts=hashes,
        )
        found = database.ask(find)
        taken.append(time.perf_counter() - began)
        raw.append(_raw(database, pepper, hashes))
        if len(found) != ASKED // 2:
            raise SystemExit(f"{len(found)} found of {ASKED // 2}")
    queries = len([statement for statement in seen if "lookup_hashes" in statement]) / TIMES
    yield Row("queries of hashes in a lookup", queries, "", at_most=1)
    ours, plain = (statistics.quantiles(each, n=100) for each in (taken, raw))
    told = ", ".join(
        f"{name}: median {each[49] * 1e3:.1f} ms, 99 of 100 under {each[98] * 1e3:.1f} ms"
        for name, each in (("lookup", ours), ("SQL", plain))
    )
    yield Row(
        f"lookup of {ASKED:,} hashes among {ASSOCIATIONS:,} to the plain SQL, 99th centile",
        ours[98] / plain[98],
        "x",
        at_most=3,
        detail=told,
    )


def _raw(database: Database, pepper: str, hashes: list[str]) -> float:
    """The seconds a plain SQL query for the same answer takes."""
    connection = database.engine.raw_connection()
    try:
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(PLAIN, (pepper, hashes))
            cursor.fetchall()
        return time.perf_counter() - began
    finally:
        connection.close()


def _hash_everybody(database: Database) -> None:
    """Rotate the pepper, with the hashes computed by the database, which is faster."""
    with database.transaction() as session:
        pepper = pepper_rotation.begin(session, utc_now())
    for part in range(PARTS):
        with database.transaction() as session:
            facts = {"pepper": pepper.pepper, "number": pepper.number, "part": part, "of": PARTS}
            session.execute(text(HASH), facts)
    with database.transaction() as session:
        pepper_rotation.finish(session, utc_now(), pepper, Actor("bench", "here"))


@contextmanager
def new_database() -> Iterator[Database]:
    """A database of its own on a PostgreSQL server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user than root
        server_folder = Path(folder) / "postgresql"
        server_folder.mkdir()
        server = PostgreSQLServer(server_folder)
        server.start()
        database = None
        try:
            url = server.url(server.create_database())
            migrations.upgrade(url)
            database = Database(make_engine(url))
            yield database
        finally:
            if database:
                database.engine.dispose()
            server.kill()


def _homeserver() -> Homeserver:
    return Homeserver(
        name="agents.example",
        url="http://127.0.0.1:1",
        label="Agents",
        connector="none",
        user_id_scheme="address",
        class_source="agent",
        created_at=utc_now(),
    )
