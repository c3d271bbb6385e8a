"""Guichet as it runs in production: PostgreSQL, Redis, an SMTP relay, each process on its own."""

from functools import partial

import pytest
from sqlalchemy import create_engine, text

from .keys import KEYS
from .processes import Processes
from .waiting import wait_for


def ask_database(environment: dict[str, str], statement: str) -> list:
    """One statement, in a transaction of its own; gives the rows it returns."""
    engine = create_engine(environment["GUICHET_DATABASE_URL"])
    with engine.begin() as connection:
        found = connection.execute(text(statement))
        rows = found.all() if found.returns_rows else []
    engine.dispose()
    return rows


def wait_until_done(environment: dict[str, str], *, within: float = 90.0) -> None:
    """Until no job is due or under way, or to be tried again: what was to come has come by then."""
    open_ones = "select 1 from outbox where done_at is null and gave_up_at is null"
    due = f"{open_ones} and (due_at <= now() or attempts > 0)"  # a lease moves `due_at` on
    is_waiting = partial(ask_database, environment, due)
    wait_for(lambda: not is_waiting(), what="no job waits", within=within, pause=0.1)


@pytest.fixture
def production(empty_postgresql_url, redis_url, smtp_server) -> dict[str, str]:
    """The environment of every process (the worker has a key of its own beside); the schema is not there yet."""
    return {
        **KEYS,
        "GUICHET_DATABASE_URL": empty_postgresql_url,
        "GUICHET_BROKER_URL": redis_url,
        "GUICHET_REDIS_URL": redis_url,
        "GUICHET_SMTP_URL": smtp_server.url,
        "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
    }


@pytest.fixture
def federation(production, guichet_processes: Processes) -> dict[str, str]:
    """The same, with the schema made and the sample federation loaded by the command line."""
    guichet = guichet_processes.guichet
    guichet("db", "upgrade", env=production)
    for name, label, *more in (
        ("education.example", "Éducation nationale"),
        ("guests.example", "Externes", "--guests"),
    ):
        add = ("homeserver", "add", name, "--url", "http://127.0.0.1:1")
        guichet(*add, "--label", label, *more, env=production)
    add = ("domain", "add", "ac-rouen.example", "--homeserver", "education.example")
    guichet(*add, "--organisation", "Éducation nationale – Rouen", env=production)
    return production
