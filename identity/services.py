"""What entry points hold. `wire(settings)` builds it once per process."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from .core.clock import utc_now
from .core.database import Database, open_database
from .core.keyed_hashes import KeyedHashes
from .core.private_files import private_folder
from .core.rate_limits import Limits
from .core.sealing import PrivateHalves, PublicHalf, Vault
from .core.tokens import Tokens
from .homeservers import credentials
from .homeservers import models as homeservers
from .homeservers import secrets as homeserver_secrets
from .homeservers.admin_client import Connector, SynapseConnector
from .homeservers.federation_client import Federation, Place
from .homeservers.models import Homeserver
from .homeservers.room_actions import KnownBy, RoomActions, Sign
from .keys import process_keys as keys
from .keys import service as signing_keys
from .mail.mailer import Mailer, make_mailer
from .routing.rules_in_force import RulesInForce
from .settings import Settings
from .threepids.terms import Terms, read_terms

log = logging.getLogger(__name__)

ACCOUNT_SECONDS = 8.0  # for one talk about an account: a job of a few ends within its lease


@dataclass(frozen=True)
class Services:
    """The collaborators of one process; tests replace single ones by value. None of them opens a box."""

    settings: Settings
    database: Database
    now: Callable[[], datetime]
    rules: RulesInForce
    tokens: Tokens
    vault: Vault
    public_half: PublicHalf
    """Seals what only the worker opens: homeservers' secrets and typed passwords."""
    mailer: Mailer
    limits: Limits
    terms: Terms
    federation: Federation
    room_actions_for: Callable[[Homeserver], RoomActions]
    """How invitations are put into rooms, where a homeserver has our module."""

    @cached_property
    def hashes(self) -> KeyedHashes:
        """What stands for addresses, networks and mails, whatever becomes of link keys."""
        return KeyedHashes(self.vault, self.tokens)

    def sign(self, facts: Mapping[str, Any], key_id: str) -> dict[str, Any]:
        """The object, signed in our name with this key. Raises UnknownKey."""
        with self.database.reading() as session:
            key = signing_keys.of_id(session, self.vault, key_id)
        return key.sign(facts, server_name=self.settings.server_name)


@dataclass(frozen=True)
class WorkerServices(Services):
    """What the worker holds beyond that, and commands that were given its key."""

    private_halves: PrivateHalves
    connector_for: Callable[[Homeserver], Connector | None]
    """How accounts are made on a homeserver; None where people make them in their client themselves."""


def build_services(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Services:
    """Build everything the settings ask for. Raises WrongSettings if keys are missing where they must be given."""
    if settings.keeps_files:
        private_folder(settings.data_dir)
    secret_keys, storage_keys = keys.shared(settings)
    public_half = keys.public_half(settings)
    database = open_database(settings, wake_outbox)
    vault = Vault(storage_keys)
    return Services(
        settings=settings,
        database=database,
        now=now,
        rules=RulesInForce(database, now),
        tokens=Tokens(secret_keys),
        vault=vault,
        public_half=public_half,
        mailer=make_mailer(settings),
        limits=Limits(settings),
        terms=read_terms(settings.terms_file),
        federation=Federation(partial(find_place, database), now),
        room_actions_for=partial(
            _desk,
            partial(_sign_now, database, vault, settings.server_name, now),
            now,
            partial(_known_by, database, now),
        ),
    )


def build_worker_services(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> WorkerServices:
    """The same for the worker, with what opens homeservers' secrets. Raises WrongSettings."""
    halves = keys.private_halves(settings)
    services = build_services(settings, wake_outbox=wake_outbox, now=now)
    return WorkerServices(
        **{field.name: getattr(services, field.name) for field in fields(services)},
        private_halves=halves,
        connector_for=partial(_connector, services.vault, halves),
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


def _desk(
    sign: Sign, now: Callable[[], datetime], known_by: KnownBy, homeserver: Homeserver
) -> RoomActions:
    return RoomActions(
        homeserver.name,
        homeserver.url,
        sign,
        now,
        known_by,
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
    return key.sign({**facts, "signer": server_name}, server_name=server_name)


def _known_by(database: Database, now: Callable[[], datetime], server_name: str) -> list[str]:
    with database.reading() as session:
        return credentials.hashes_of(session, server_name, now())


def _connector(vault: Vault, private: PrivateHalves, homeserver: Homeserver) -> Connector | None:
    if not homeserver.makes_accounts:
        return None
    opened = partial(homeserver_secrets.opened, vault, private, homeserver)
    return SynapseConnector(
        homeserver.url,
        registration_secret=opened("registration_secret"),
        admin_token=opened("admin_token"),
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
        seconds=ACCOUNT_SECONDS,
    )
