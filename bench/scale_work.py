"""What workers, operators and homeservers cost in a large federation, for scale.py."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from domain_rules.rule import Rule
from identity.core import leases
from identity.core.batches import BATCH
from identity.core.outbox import Lane
from identity.maintenance import retention
from identity.rule_changes import changes, checking
from identity.services import Services
from identity.synapse_api import sync
from identity.threepids import lookup_queries, pepper_rotation

from . import scale_rows
from .rows import Row
from .spent import Meter

POLL = 20  # seconds between two questions of a module
HASHED = 20  # batches of a rotation that are measured
RETAINED = ("mails", "jobs done")  # the steps of the night that delete most
IMPACT_SECONDS = 120  # after which it is given up


def lease(services: Services) -> None:
    """Take the next job of a lane, and settle it."""
    now = services.now()
    with services.database.transaction() as session:
        job = leases.lease_next(session, now, Lane.BULK)
        if job is None:
            raise SystemExit("no job waits")
        leases.settle(session, job, now)


def measure(services: Services, meter: Meter, size: int) -> Iterator[Row]:
    """What goes through many rows, at this size."""
    told = f"{size:,} associations"
    yield from _retention(services, meter, told)
    yield _rotation(services, meter, told, size)
    yield _impact(services, meter, told)
    with services.database.engine.connect().execution_options(
        isolation_level="AUTOCOMMIT"
    ) as connection:
        for table in ("outbox", "mails", "lookup_hashes"):
            began = time.perf_counter()
            connection.execute(text(f"vacuum (analyze) {table}"))
            yield Row(f"vacuum of {table}, {told}", time.perf_counter() - began, "s")


def _retention(services: Services, meter: Meter, told: str) -> Iterator[Row]:
    steps = retention.steps(services.now(), services.hashes)
    for name in RETAINED:

        def batch(name: str = name) -> None:
            with services.database.transaction() as session:
                steps[name](session, BATCH)

        spent = meter.measure(batch, 5)
        yield Row(f"retention of {name}, a batch, {told}", spent.elapsed, "ms", detail=str(spent))


def _rotation(services: Services, meter: Meter, told: str, size: int) -> Row:
    """A part of a rotation of the pepper, which is undone."""
    with services.database.transaction() as session:
        pepper = pepper_rotation.begin(session, services.now())
    position = pepper_rotation.THE_START

    def hash_next() -> None:
        nonlocal position
        most = pepper_rotation.AT_ONCE
        with services.database.transaction() as session:
            after = lookup_queries.hash_next(session, pepper, after=position, most=most)
        assert after is not None
        position = after

    spent = meter.measure(hash_next, HASHED // 5)
    with services.database.transaction() as session:
        for table in ("lookup_hashes where pepper_number", "lookup_peppers where number"):
            session.execute(text(f"delete from {table} = :number"), {"number": pepper.number})
    seconds = (spent.here + spent.database) / 1e3 / pepper_rotation.AT_ONCE * size
    return Row(f"a rotation of the pepper, {told}", seconds / 3600, "hours", detail=str(spent))


def _impact(services: Services, meter: Meter, told: str) -> Row:
    """How long the check of a change of one domain takes."""
    rule = next(_moved(services))
    with services.database.transaction() as session:
        now = services.now()
        number = changes.make(session, now, scale_rows.ME, title=told, put=[rule]).number

    def count() -> None:
        with services.database.reading() as session, suppress(OperationalError):
            session.execute(text(f"set local statement_timeout = '{IMPACT_SECONDS}s'"))
            change = changes.required(session, number)
            checking.count(session, now, change, checking.following(lambda *_: None, 100_000))

    spent = meter.once(count)
    return Row(
        f"impact of one domain, {told}", spent.elapsed / 1e3, "s", at_most=1, detail=str(spent)
    )


def _moved(services: Services) -> Iterator[Rule]:
    for rule in services.rules.current().rules:
        yield replace(rule, homeserver=scale_rows.homeserver_of(1))


def feeds(client: FlaskClient, credential: str, meter: Meter) -> Iterator[Row]:
    """What the modules of all homeservers cost, that ask for rules and agents every 20 seconds."""
    for path in ("/rules", "/agents?since=0"):
        headers = {"Authorization": f"Bearer {credential}"}
        url = f"/api/homeserver/v1{path}"
        first = client.get(url, headers=headers)
        if not first.data:
            raise SystemExit(f"{path}: {first.status_code}")
        tag = first.headers["ETag"]
        known = url.replace("since=0", "since=1")
        for what, at, more in (("whole", url, {}), ("no news", known, {"If-None-Match": tag})):
            spent = meter.measure(partial(client.get, at, headers=headers | more), 2)
            share = (spent.here + spent.database) * scale_rows.HOMESERVERS / POLL / 1e3
            told = (
                f"{spent}; {len(first.data) / 2**20:.1f} MiB; {scale_rows.HOMESERVERS} homeservers"
                f" every {POLL} s: {share:.2f} of a processor"
            )
            yield Row(f"{path}, {what}", spent.here + spent.database, "ms", detail=told)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Row("the largest this process ever was", peak, "MiB")
    agents = {scale_rows.user_of(number) for number in range(0, 10_000_000, 10)}
    size = sys.getsizeof(agents) + sum(map(sys.getsizeof, agents))
    yield Row(
        f"memory of {len(agents):,} agents in a module", size / 2**20, "MiB",
        detail=f"{size / len(agents):.0f} bytes each; {sync.__name__} sends them",
    )  # fmt: skip
