"""The objects that web, worker and commands work with: settings, database, keys, mailer, clients.

`build_services(settings)` and `build_worker_services(settings)` build them once per process.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from .core.clock import ClockOffset, corrected, utc_now
from .core.continuity import LastSeen
from .core.database import Database, open_database
from .core.database_deadlines import WORK, Patience
from .core.dns_client import DnsClient
from .core.keyed_hashes import KeyedHashes, LostKey
from .core.private_files import private_folder
from .core.rate_limits import RateLimits
from .core.sealing import CannotOpen, PrivateHalves, PublicHalf, Vault
from .core.tokens import Tokens
from .freezes.in_force import FreezesInForce
from .homeservers import (
    credentials,
    models as homeservers,
    secrets as homeserver_secrets,
    standing,
)
from .homeservers.admin_client import Connector, SynapseConnector
from .homeservers.calls import HomeserverCalls
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
    calls: HomeserverCalls
    federation: Federation
    room_actions_for: Callable[[Homeserver], RoomActions]
    """The room actions of a homeserver that has our module. Raises HomeserverHeld."""
    freezes: FreezesInForce
    clock_offset: ClockOffset = field(default_factory=ClockOffset, kw_only=True)
    """Of this process, measured at each heartbeat."""
    last_seen: LastSeen = field(default_factory=LastSeen, kw_only=True)
    """How far the database had come when it was last seen from here."""

    def database_now(self) -> datetime:
        """The present moment by the clock of the database, as far as the offset is known.

        What several machines compare is compared by this clock.
        """
        return self.machine_now() - self.clock_offset.value

    def machine_now(self) -> datetime:
        """The present moment by the clock of this machine; `now` is corrected if it is far off."""
        return self.now() + self.clock_offset.applied

    @cached_property
    def hashes(self) -> KeyedHashes:
        """Keyed hashes of addresses, networks and mails, which survive a rotation of link keys."""
        return KeyedHashes(self.vault, self.tokens)

    def mark_of(self, address: str) -> str | None:
        """Stands for an address in the log. None if it cannot be made now; never raises."""
        try:
            known = self.hashes.mark_without_database(address)
            if known is None:
                with self.database.transaction() as session:
                    self.hashes.make(session)
                    known = self.hashes.mark_of_address(session, address)
        except (SQLAlchemyError, CannotOpen, LostKey):
            return None
        return known

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
    """Makes accounts on a homeserver; None where people register in their client.

    Raises HomeserverHeld.
    """
    dns: DnsClient = field(default_factory=DnsClient, kw_only=True)


def build_services(
    settings: Settings,
    *,
    wake_outbox: Callable[[set[str]], None] | None = None,
    now: Callable[[], datetime] = utc_now,
    patience: Patience = WORK,
) -> Services:
    """Build the services for these settings. Raises WrongSettings if required keys are missing.

    `patience`: how long this process waits for the database.
    """
    if settings.stores_files:
        private_folder(settings.data_dir)
    secret_keys, storage_keys = keys.shared_keys(settings)
    public_half = keys.public_half(settings)
    database = open_database(settings, wake_outbox, patience=patience)
    vault = Vault(storage_keys)
    offset = ClockOffset()
    now = partial(corrected, now, offset)
    calls = HomeserverCalls(database, now)
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
        clock_offset=offset,
        calls=calls,
        federation=Federation(partial(find_federation_endpoint, database, now), now, calls),
        last_seen=LastSeen(settings.data_dir / LAST_SEEN_FILE),
        room_actions_for=partial(
            _room_actions,
            partial(_signer_now, database, vault, settings.server_name, now),
            now,
            partial(_known_by, database, now),
            calls,
        ),
        freezes=FreezesInForce(database, now),
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
        connector_for=partial(_connector, services.vault, halves, now),
    )


def find_federation_endpoint(
    database: Database, now: Callable[[], datetime], server_name: str
) -> FederationEndpoint | None:
    """Where a registered homeserver answers the federation API; None if it is not registered.

    Raises HomeserverSuspended, HomeserverHeld.
    """
    with database.reading() as session:
        homeserver = homeservers.find(session, server_name)
    if homeserver is None:
        return None
    standing.check_not_suspended(homeserver)
    standing.check_reachable(homeserver, now())
    return FederationEndpoint(
        homeserver.name,
        homeserver.federation_url or homeserver.url,
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
    )


def _room_actions(
    signer: Callable[[], SignObject],
    now: Callable[[], datetime],
    known_by: FindCredentialHashes,
    calls: HomeserverCalls,
    homeserver: Homeserver,
) -> RoomActions:
    standing.check_reachable(homeserver, now())
    return RoomActions(
        homeserver.name,
        homeserver.url,
        partial(_sign_now, signer),
        now,
        known_by,
        calls,
        ca_pem=homeserver.ca_pem,
        insecure=homeserver.insecure,
        signer=signer,
    )


def _signer_now(
    database: Database,
    vault: Vault,
    server_name: str,
    now: Callable[[], datetime],
) -> SignObject:
    """Signs with the newest key; homeservers get its public half together with the rules."""
    with database.transaction() as session:
        key = signing_keys.current_key(session, vault, now())
    return lambda facts: key.sign({**facts, "signer": server_name}, server_name=server_name)


def _sign_now(signer: Callable[[], SignObject], facts: Mapping[str, Any]) -> dict[str, Any]:
    return signer()(facts)


def _known_by(database: Database, now: Callable[[], datetime], server_name: str) -> Sequence[str]:
    with database.reading() as session:
        return credentials.hashes_of(session, server_name, now())


def _connector(
    vault: Vault, private: PrivateHalves, now: Callable[[], datetime], homeserver: Homeserver
) -> Connector | None:
    standing.check_reachable(homeserver, now())
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
        server_name=homeserver.name,
    )
