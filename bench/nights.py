"""Measures the nightly deletion: a batch of each step beside few and ten times as many rows.

In processor time, of this process and of PostgreSQL: what else the machine does is no part of it.
"""

import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from sqlalchemy import text

from identity.core.batches import BATCH, Step
from identity.maintenance import retention
from identity.migrations import upgrading
from identity.services import Services, build_services
from identity.settings import Settings
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.worlds.many_rows import fill

from . import rows
from .probes import postgresql
from .rows import GROWTH, Row
from .spent import Meter

FEW, MANY = 20_000, 200_000  # rows of each kind
STEPS = ("mails", "jobs done", "addresses of ended invitations", "invitations")
TABLES = ("outbox", "mails", "third_party_invitations")
LATER = timedelta(days=400)  # when all terms of what is over have ended


def measure() -> Iterator[Row]:
    """Run the suite: each step works on both databases in turn."""
    with postgresql() as server, ExitStack() as stack:
        nights = [stack.enter_context(_night(server, size)) for size in (FEW, MANY)]
        for name in STEPS:
            taken: list[list[float]] = [[], []]
            for _ in range(rows.rounds + 1):
                for found, night in zip(taken, nights, strict=True):
                    found.append(night.batch(name))
            few, many = (statistics.median(each[1:]) for each in taken)  # the first warms up
            yield Row(
                f"the night, {name}: CPU of a batch beside {MANY:,} rows, to {FEW:,}",
                many / few,
                "x",
                at_most=GROWTH,
                detail=f"{FEW:,}: {few:.1f} ms, {MANY:,}: {many:.1f} ms of {BATCH:,} rows",
            )


class _Night:
    """The steps of a night on one database."""

    def __init__(self, services: Services, steps: Mapping[str, Step], meter: Meter) -> None:
        self._services, self._steps, self._meter = services, steps, meter

    def batch(self, name: str) -> float:
        """The milliseconds of processor time of a full batch."""

        def act() -> None:
            with self._services.database.transaction() as session:
                if self._steps[name](session, BATCH) < BATCH:
                    raise SystemExit(f"{name}: too few rows for a batch")

        spent = self._meter.once(act)
        return spent.here + spent.database


@contextmanager
def _night(server: PostgreSQLServer, size: int) -> Iterator[_Night]:
    url = server.url(server.create_database())
    upgrading.upgrade(url)
    names = ("secret_keys", "storage_keys", "homeserver_public_key")
    keys = {name: KEYS[f"GUICHET_{name.upper()}"] for name in names}
    services = build_services(
        Settings(_env_file=None, database_url=url, broker_url="redis://127.0.0.1:1/0", **keys)
    )
    engine = services.database.engine
    with services.database.transaction() as session:
        services.hashes.settle(session, services.now())
        session.execute(text("set local statement_timeout = 0"))
        fill(session, services.now(), size, tables=TABLES)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
    assert server.child is not None
    steps = retention.steps(services.now() + LATER, services.hashes)
    try:
        yield _Night(services, steps, Meter(engine, server.child.pid))
    finally:
        engine.dispose()
