"""Guichet as it runs in production: PostgreSQL, Redis, an SMTP relay, each process on its own."""

import pytest

from .keys import KEYS
from .processes import Processes


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
