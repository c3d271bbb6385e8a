"""/readyz and /metrics read what waits, by index: what is over and done may fill the tables."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text, update

from identity.core.journal import Actor
from identity.core.outbox import Job, Lane
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from tests.worlds.api import *
from tests.worlds.many_rows import GROWING, fill

ROWS = 2_000
OLGA = Actor("olga", "here", "a test")
PATHS = ("/readyz", "/metrics")
# The planner chooses anew after each VACUUM, also how it reads its own catalogue; a table that is read
# whole has three times as many.
BY_CHANCE = 60  # blocks
FEW_BLOCKS = 400  # of 8 kB: 40 pairs of lane and kind are looked up, two or four blocks each


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """Both: each plans for itself."""
    return request.getfixturevalue(f"{request.param}_url")


def asked_by(client, services, path: str) -> list[tuple[str, Any]]:
    """The statements of the second request: the first one loads what is kept in memory."""
    engine = services.database.engine
    assert client.get(path).status_code == 200
    seen: list[tuple[str, Any]] = []

    def see(_connection, _cursor, statement, parameters, _context, _many) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", see)
    try:
        answer = client.get(path)
    finally:
        event.remove(engine, "before_cursor_execute", see)
    assert answer.status_code == 200
    assert b"guichet_database_up 1.0" in answer.data or path != "/metrics"
    return seen


def explained(database, asked: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """What PostgreSQL did for each, in one transaction, with the settings that are made there."""
    connection = database.engine.raw_connection()
    try:
        with connection.cursor() as cursor:
            for statement, parameters in asked:
                if "set_config" in statement or statement.upper().startswith("SHOW "):
                    cursor.execute(statement, parameters)
                    continue
                cursor.execute(f"explain (analyze, buffers, format json) {statement}", parameters)
                [found] = cursor.fetchone()
                yield (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    finally:
        connection.close()


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes_of(each)


def cost_of(database, asked: list[tuple[str, Any]]) -> int:
    """Blocks that PostgreSQL looked at, or steps of SQLite's machine: the same on every machine."""
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as vacuum:
            vacuum.execute(text("vacuum (analyze)"))
        plans = list(explained(database, asked))
        names = {
            (each["Node Type"], each.get("Relation Name"))
            for plan in plans
            for each in nodes_of(plan)
        }
        assert not [each for each in names if each[0] == "Seq Scan" and each[1] in GROWING]
        return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans)
    count = 0

    def one_more() -> int:
        nonlocal count
        count += 1
        return 0

    connection = database.engine.raw_connection()
    try:
        raw = connection.driver_connection
        raw.set_progress_handler(one_more, 10)
        for statement, parameters in asked:
            if statement.startswith("BEGIN"):
                continue
            raw.execute(statement, parameters).fetchall()
        raw.set_progress_handler(None, 0)
    finally:
        connection.close()
    return count


def test_the_cost_does_not_grow_with_what_is_over(internal, services, clock):
    """Five times as many rows of every kind, and as little that waits: as much is read."""
    database = services.database
    with database.transaction() as session:
        fill(session, clock(), ROWS)
    few = {path: cost_of(database, asked_by(internal, services, path)) for path in PATHS}
    with database.transaction() as session:
        fill(session, clock(), 4 * ROWS, first=ROWS)
    many = {path: cost_of(database, asked_by(internal, services, path)) for path in PATHS}
    assert all(many[path] <= 1.2 * few[path] + BY_CHANCE for path in PATHS), (few, many)
    if database.engine.dialect.name == "postgresql":
        assert max(many.values()) <= FEW_BLOCKS, many


def test_jobs_that_a_freeze_holds_are_passed_over(internal, services, clock):
    """They are the oldest, and as many as you like; they are no fault either."""
    database = services.database
    with database.transaction() as session:
        freezing.freeze(session, clock(), OLGA, Frozen.MAILS)
        fill(session, clock(), ROWS)
    few = cost_of(database, asked_by(internal, services, "/readyz"))
    with database.transaction() as session:
        held = {"done_at": None, "gave_up_at": None, "held_by": "mails", "held_at": clock()}
        session.execute(update(Job).where(Job.lane == Lane.URGENT).values(held))
    clock.advance(hours=1)
    assert cost_of(database, asked_by(internal, services, "/readyz")) <= 1.2 * few + BY_CHANCE
    said = internal.get("/readyz").json
    assert (said["degraded"], said["oldest_outbox_entry_seconds"]) == ([], 0)
    assert said["frozen"] == ["mails"]
