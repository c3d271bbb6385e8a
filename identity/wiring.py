"""What entry points hold. `wire(settings)` builds it once per process."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from .clock import utc_now
from .gateways.homeserver import Connector, SynapseConnector
from .gateways.limits import Limits
from .gateways.mailer import Mailer, make_mailer
from .settings import Settings, WrongSettings, new_secret
from .storage.database import Database, open_database
from .storage.homeservers import Homeserver
from .storage.rules_in_force import RulesInForce
from .tokens import Tokens
from .vault import Vault

log = logging.getLogger(__name__)

KEYS_FILE = "keys.json"


@dataclass(frozen=True)
class Wiring:
    """The collaborators of one process; tests replace single ones by value."""

    settings: Settings
    database: Database
    now: Callable[[], datetime]
    rules: RulesInForce
    tokens: Tokens
    vault: Vault
    mailer: Mailer
    limits: Limits
    connector_for: Callable[[Homeserver], Connector | None]
    """How accounts are made on a homeserver; None where people make them in their client themselves."""


def wire(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Wiring:
    """Build everything the settings ask for. Raises WrongSettings if keys are missing where they must be given."""
    secret_keys, storage_keys = _keys(settings)
    database = open_database(settings, wake_outbox)
    vault = Vault(storage_keys)
    return Wiring(
        settings=settings,
        database=database,
        now=now,
        rules=RulesInForce(database, now),
        tokens=Tokens(secret_keys),
        vault=vault,
        mailer=make_mailer(settings),
        limits=Limits(settings),
        connector_for=partial(_connector, vault),
    )


def _connector(vault: Vault, homeserver: Homeserver) -> Connector | None:
    if homeserver.connector != "synapse":
        return None
    return SynapseConnector(
        homeserver.url,
        registration_secret=vault.open(homeserver.registration_secret or ""),
        admin_token=vault.open(homeserver.admin_token or ""),
        ca_pem=homeserver.ca_pem,
    )


def _keys(settings: Settings) -> tuple[tuple[SecretStr, ...], tuple[SecretStr, ...]]:
    """The keys of the settings; for the embedded default, made once and kept in the data directory."""
    if settings.secret_keys and settings.storage_keys:
        return settings.secret_keys, settings.storage_keys
    if not settings.is_embedded:
        missing = "GUICHET_STORAGE_KEYS" if settings.secret_keys else "GUICHET_SECRET_KEYS"
        raise WrongSettings(
            f"{missing}: every node needs the same keys, for example {new_secret()} (newest last)"
        )
    kept = _kept_keys(settings.data_dir / KEYS_FILE)
    return (
        settings.secret_keys or tuple(SecretStr(key) for key in kept["secret_keys"]),
        settings.storage_keys or tuple(SecretStr(key) for key in kept["storage_keys"]),
    )


def _kept_keys(path: Path) -> dict[str, list[str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"secret_keys": [new_secret()], "storage_keys": [new_secret()]}
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(made, indent=1))
    try:
        # A hard link appears whole or not at all: of several first starts one makes the keys.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    kept: dict[str, list[str]] = json.loads(path.read_text())
    return kept
