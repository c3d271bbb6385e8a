"""What entry points hold. `wire(settings)` builds it once per process."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from .clock import utc_now
from .gateways.desk import Desk, Sign
from .gateways.federation import Federation, Place
from .gateways.homeserver import Connector, SynapseConnector
from .gateways.limits import Limits
from .gateways.mailer import Mailer, make_mailer
from .private_files import private_file, private_folder
from .settings import Settings, WrongSettings, new_secret
from .storage import homeservers
from .storage.database import Database, open_database
from .storage.homeservers import Homeserver
from .storage.rules_in_force import RulesInForce
from .terms import Terms, read_terms
from .tokens import Tokens
from .use_cases import signing_keys
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
    terms: Terms
    federation: Federation
    connector_for: Callable[[Homeserver], Connector | None]
    """How accounts are made on a homeserver; None where people make them in their client themselves."""
    desk_for: Callable[[Homeserver], Desk]
    """How invitations are put into rooms, where a homeserver has our module."""

    def sign(self, facts: Mapping[str, Any], key_id: str) -> dict[str, Any]:
        """The object, signed in our name with this key. Raises UnknownKey."""
        with self.database.reading() as session:
            key = signing_keys.of_id(session, self.vault, key_id)
        return key.sign(facts, server_name=self.settings.server_name)


def wire(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Wiring:
    """Build everything the settings ask for. Raises WrongSettings if keys are missing where they must be given."""
    if settings.keeps_files:
        private_folder(settings.data_dir)
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
        terms=read_terms(settings.terms_file),
        federation=Federation(partial(find_place, database), now),
        connector_for=partial(_connector, vault),
        desk_for=partial(
            _desk, partial(_sign_now, database, vault, settings.server_name, now), now
        ),
    )


def find_place(database: Database, server_name: str) -> Place | None:
    """Where a registered homeserver answers others."""
    with database.reading() as session:
        homeserver = homeservers.find(session, server_name)
    if homeserver is None:
        return None
    return Place(
        homeserver.name,
        homeserver.federation_url or homeserver.url,
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
    )


def _desk(sign: Sign, now: Callable[[], datetime], homeserver: Homeserver) -> Desk:
    return Desk(
        homeserver.name,
        homeserver.url,
        sign,
        now,
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
    )


def _sign_now(
    database: Database,
    vault: Vault,
    server_name: str,
    now: Callable[[], datetime],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Signed with the newest key, which every homeserver hears of with its rules."""
    with database.transaction() as session:
        key = signing_keys.current(session, vault, now())
    return key.sign(facts, server_name=server_name)


def _connector(vault: Vault, homeserver: Homeserver) -> Connector | None:
    if homeserver.connector != "synapse":
        return None
    return SynapseConnector(
        homeserver.url,
        registration_secret=vault.open(homeserver.registration_secret or ""),
        admin_token=vault.open(homeserver.admin_token or ""),
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
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
    made = {"secret_keys": [new_secret()], "storage_keys": [new_secret()]}
    draft = path.with_suffix(f".{os.getpid()}")
    private_file(draft)
    draft.write_text(json.dumps(made, indent=1))
    try:
        # A hard link appears whole or not at all: of several first starts one makes the keys.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    private_file(path)  # of an older version, or copied there
    kept: dict[str, list[str]] = json.loads(path.read_text())
    return kept
