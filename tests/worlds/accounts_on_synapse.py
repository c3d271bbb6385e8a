"""Guichet as in production, and a real Synapse on which it makes the accounts of ac-rouen.example."""

import secrets
import string

import pytest

from tests.services.identity_server import add_homeserver
from tests.services.processes import Processes
from tests.services.synapse import Homeserver

__all__ = ["address", "family", "on_synapse", "register_synapse"]

EDUCATION = "Éducation nationale"


def register_synapse(
    processes: Processes, env: dict[str, str], synapse: Homeserver, *, url: str = ""
) -> dict[str, str]:
    """In an empty database; gives the settings. `url`: where Guichet asks it, unless at its own."""
    processes.guichet("db", "upgrade", env=env)
    add_homeserver(processes, env, synapse, "--label", EDUCATION, url=url)
    add = ("domain", "add", "ac-rouen.example", "--homeserver", synapse.server_name)
    processes.guichet(*add, "--organisation", f"{EDUCATION} – Rouen", env=env)
    return env


@pytest.fixture
def on_synapse(production, guichet_processes, synapse) -> dict[str, str]:
    return register_synapse(guichet_processes, production, synapse)


@pytest.fixture
def family() -> str:
    """A family name that nobody has: the Synapse is the session's, and a test may be tried again."""
    return "durand" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))


@pytest.fixture
def address(family) -> str:
    """Camille's."""
    return f"camille.{family}@ac-rouen.example"
