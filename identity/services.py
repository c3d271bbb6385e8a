"""The objects that web, worker and commands work with: settings, database, keys, mailer, clients.

`build_services(settings)` and `build_worker_services(settings)` build them once per process.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from .core.clock import ClockOffset, utc_now
from .core.continuity import LastSeen
from .core.database import Database, open_database
from .core.keyed_hashes import KeyedHashes
from .core.private_files import private_folder
from .core.rate_limits import RateLimits
from .core.sealing import PrivateHalves, PublicHalf, Vault
from .core.tokens import Tokens
from .homeservers import credentials, models as homeservers, secrets as homeserver_secrets
from .homeservers.admin_client import Connector, SynapseConnector
from .homeservers.federation_client import Federation, FederationEndpoint
from .homeservers.models import Homeserver
from .homeservers.room_actions import FindCredentialHashes, RoomActions, SignObject
from .keys import process_keys as keys, service as signing_keys
from .mail.mailer import Mailer, make_mailer
from .routing.rules_in_force import RulesInForce
from .settings import Settings
from .threepids.terms import Terms, read_terms

log = logging.getLogger(__name__)

LAST_SEEN_FILE = "last_seen.json"  # in the data folder, written by the worker
ACCOUNT_SECONDS = 8.0  # for the calls about one account: a job makes several within its lease


@dataclass(frozen=True)
class Services:
    """The services of one process. Tests replace single ones with `dataclasses.replace`.

    None of them can open homeservers' secrets or typed passwords: see WorkerServices.
    """

    settings: Settings
    database: Database
    now: Callable[[], datetime]
    rules: RulesInForce
    tokens: Tokens
    vault: Vault
    public_half: PublicHalf
    """Seals what only the worker can open: homeservers' secrets and typed passwords."""
    mailer: Mailer
    limits: RateLimits
    terms: Terms
    federation: Federation
    room_actions_for: Callable[[Homeserver], RoomActions]
    """The room actions of a homeserver that has our module."""
    clock_offset: ClockOffset = field(default_factory=ClockOffset, kw_only=True)
    """Of this process, measured at each heartbeat."""
    last_seen: LastSeen = field(default_factory=LastSeen, kw_only=True)
    """How far the database had come when it was last seen from here."""

    def database_now(self) -> datetime:
        """The present moment by the clock of the database, as far as the offset is known.

        What several machines compare is compared by this clock.
        """
        return self.now() - self.clock_offset.value

    @cached_property
    def hashes(self) -> KeyedHashes:
        """Keyed hashes of addresses, networks and mails, which survive a rotation of link keys."""
        return KeyedHashes(self.vault, self.tokens)

    def sign(self, facts: Mapping[str, Any], key_id: str) -> dict[str, Any]:
        """The object with our signature, made with this key. Raises UnknownKey."""
        with self.database.reading() as session:
            key = signing_keys.find_key(session, self.vault, key_id)
        return key.sign(facts, server_name=self.settings.server_name)


@dataclass(frozen=True)
class WorkerServices(Services):
    """The services of the worker, and of commands that have its private keys."""

    private_halves: PrivateHalves
    connector_for: Callable[[Homeserver], Connector | None]
    """Makes accounts on a homeserver; None where people register in their client."""


def build_services(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Services:
    """Build the services for these settings. Raises WrongSettings if required keys are missing."""
    if settings.stores_files:
        private_folder(settings.data_dir)
    secret_keys, storage_keys = keys.shared_keys(settings)
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
        limits=RateLimits(settings),
        terms=read_terms(settings.terms_file),
        federation=Federation(partial(find_federation_endpoint, database), now),
        last_seen=LastSeen(settings.data_dir / LAST_SEEN_FILE),
        room_actions_for=partial(
            _room_actions,
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
    """Build the services of the worker, which has the private keys. Raises WrongSettings."""
    halves = keys.private_halves(settings)
    services = build_services(settings, wake_outbox=wake_outbox, now=now)
    return WorkerServices(
        **{each.name: getattr(services, each.name) for each in fields(services)},
        private_halves=halves,
        connector_for=partial(_connector, services.vault, halves),
    )


def find_federation_endpoint(database: Database, server_name: str) -> FederationEndpoint | None:
    """Where a registered homeserver answers the federation API; None if it is not registered."""
    with database.reading() as session:
        homeserver = homeservers.find(session, server_name)
    if homeserver is None:
        return None
    return FederationEndpoint(
        homeserver.name,
        homeserver.federation_url or homeserver.url,
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
    )


def _room_actions(
    sign: SignObject,
    now: Callable[[], datetime],
    known_by: FindCredentialHashes,
    homeserver: Homeserver,
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
    """Sign with the newest key; homeservers get its public half together with the rules."""
    with database.transaction() as session:
        key = signing_keys.current_key(session, vault, now())
    return key.sign({**facts, "signer": server_name}, server_name=server_name)


def _known_by(database: Database, now: Callable[[], datetime], server_name: str) -> Sequence[str]:
    with database.reading() as session:
        return credentials.hashes_of(session, server_name, now())


def _connector(vault: Vault, private: PrivateHalves, homeserver: Homeserver) -> Connector | None:
    if not homeserver.makes_accounts:
        return None
    open_field = partial(homeserver_secrets.open_secret, vault, private, homeserver)
    return SynapseConnector(
        homeserver.url,
        registration_secret=open_field("registration_secret"),
        admin_token=open_field("admin_token"),
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
        seconds=ACCOUNT_SECONDS,
    )
