"""Measures /readyz and /metrics beside tables that hold years of what is over, on PostgreSQL."""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text

from identity.app import create_app
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from identity.migrations import upgrading
from identity.services import build_services
from identity.settings import Settings
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.worlds.many_rows import fill

from .rows import Row

FEW, MANY = 2_000, 200_000  # rows of each kind
TIMES = 300
PATHS = ("/readyz", "/metrics")
MOST = 10.0  # milliseconds


def measure() -> Iterator[Row]:
    """Run the suite. Both installations are asked in turn, so that noise affects them alike."""
    with (
        postgresql() as server,
        _installation(server, FEW) as few,
        _installation(server, MANY) as many,
    ):
        for path in PATHS:
            taken = [[_milliseconds(each, path) for each in (few, many)] for _ in range(TIMES)]
            best = [min(each) for each in zip(*taken, strict=True)]
            told = f"{FEW:,}: {best[0]:.1f} ms, {MANY:,}: {best[1]:.1f} ms, the best of {TIMES}"
            name = f"{path}, {MANY:,} rows"
            yield Row(f"{name} to {FEW:,}", best[1] / best[0], "x", at_most=1.5, detail=told)
            yield Row(f"{name}, best", best[1], "ms", at_most=MOST)


@contextmanager
def _installation(server: PostgreSQLServer, rows: int) -> Iterator[FlaskClient]:
    """The internal listener of a Guichet with so many rows of each kind."""
    url = server.url(server.create_database())
    upgrading.upgrade(url)
    filled = Database(make_engine(url, UPGRADE))
    with filled.transaction() as session:
        fill(session, utc_now(), rows)
    with filled.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
    filled.engine.dispose()
    services = build_services(_settings(url))
    try:
        yield create_app(services, listener="internal").test_client()
    finally:
        services.database.engine.dispose()


def _milliseconds(client: FlaskClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    if answer.status_code != HTTPStatus.OK or b"guichet_database_up 0" in answer.data:
        raise SystemExit(f"{path}: {answer.status_code} {answer.get_data(as_text=True)[:200]}")
    return (time.perf_counter() - began) * 1000


def _settings(url: str) -> Settings:
    names = ("secret_keys", "storage_keys", "homeserver_public_key")
    keys = {name: KEYS[f"GUICHET_{name.upper()}"] for name in names}
    return Settings(
        database_url=SecretStr(url), broker_url=SecretStr("redis://127.0.0.1:1/0"), **keys
    )


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    logging.disable(logging.WARNING)  # each request leaves a line
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user than root
        place = Path(folder) / "postgresql"
        place.mkdir()
        server = PostgreSQLServer(place)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            logging.disable(logging.NOTSET)
