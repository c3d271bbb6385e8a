"""Everything that doctor checks of a running service, and what mends what is wrong."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind
from domain_rules.wire_format import VERSION
from identity import migrations
from identity.core import nodes, outbox
from identity.core.findings import Finding, State, findings_or_silence
from identity.core.http_client import Away, JsonClient
from identity.core.keyed_hashes import LostKey
from identity.core.nodes import NodeKind
from identity.core.redis_probe import NoRedis, check_redis, is_redis
from identity.core.sealing import CannotOpen
from identity.homeservers import (
    changing,
    models as homeservers,
    module_models,
    secrets as homeserver_secrets,
    standing as homeserver_standing,
)
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.homeservers.module_models import HomeserverModule
from identity.homeservers.service import is_clear_text
from identity.mail import after_restore as mails_after_restore, models as mails
from identity.mail.models import MailState
from identity.mail.outcomes import NotSent
from identity.migrations import Schema
from identity.routing import models as rules
from identity.services import Services, WorkerServices

from . import (
    exposure,
    invitations as invitation_findings,
    proxy_exposure,
    readable_rooms,
    stopped,
)
from .backups import check_backups
from .operators import check_operators
from .processes import check_processes
from .provider import check_provider

SECONDS = 10.0  # for one request to a homeserver
REDIS_TIME = 2.0  # seconds for each step with Redis
LATE = timedelta(minutes=10)
UPGRADE = "upgrade the module there to the version of this Guichet (docs/synapse.md)"
VERSIONS = "/_matrix/client/versions"
OPT_OUTS = "opt-outs"  # also mutes, and mailboxes that do not exist


def check_all(services: Services) -> Iterator[Finding]:
    """Look at the database and all that is in it, Redis, the relay and every homeserver.

    Calls the network, outside of transactions; takes at most some seconds for each.
    """
    yield from _database(services)
    yield from _redis(services)
    yield _mail(services)


def check_homeserver(services: Services, name: str) -> Iterator[Finding]:
    """What `check_all` asks of this homeserver alone. Raises UnknownHomeserver."""
    with services.database.reading() as session:
        homeserver = changing.find(session, name)
        revision = rules.current_number(session)
        unknown_members = list(
            invitation_findings.check_unknown_members(session, services.now(), [homeserver])
        )
    yield from _homeserver(services, homeserver, revision)
    yield from unknown_members


def _database(services: Services) -> Iterator[Finding]:
    try:
        here, newest = (
            migrations.current_revision(services.settings.database),
            migrations.newest_revision(),
        )
        if migrations.compare_schema(here) is Schema.OLDER:
            told = f"schema {here or 'none'}, this version needs {newest}"
            yield Finding("database", State.FAILED, told, "guichet db upgrade")
            return
        told = f"schema {here}" if here == newest else f"schema {here}, of a later version"
        yield Finding("database", State.OK, told)
        with services.database.reading() as session:
            yield from check_processes(services, session)
            yield from check_backups(
                session, services.now(), is_embedded=services.settings.is_embedded
            )
            registered = homeservers.find_all(session)
            revision = rules.current_number(session)
            yield from _rules(session)
            yield from _jobs(services, session)
            yield from invitation_findings.check_invitations(session, services.now())
            yield from stopped.check_stopped(session, services.now())
            yield from check_operators(session, services.settings, services.now())
            yield from check_provider(session, services.now(), services.settings)
            yield _hashes(services, session)
            unknown_members = list(
                invitation_findings.check_unknown_members(session, services.now(), registered)
            )
    except SQLAlchemyError as error:
        told = f"it does not answer: {type(error).__name__}"
        yield Finding("database", State.FAILED, told, "check GUICHET_DATABASE_URL and the server")
        return
    if any(each.makes_accounts for each in registered):
        yield from _accounts(services)
    for homeserver in registered:
        yield from _homeserver(services, homeserver, revision)
    yield from unknown_members


def _accounts(services: Services) -> Iterator[Finding]:
    """Check that a running worker can open passwords and secrets, and that only workers can."""
    with services.database.reading() as session:
        now = services.database_now()
        alive = nodes.find_alive(session, now, NodeKind.WORKER)
        opens = nodes.can_open(session, now, services.public_half.key_id)
        by_storage_keys = homeserver_secrets.count_by_key(session).get("", 0)
    if opens:
        yield Finding("accounts", State.OK, "a running worker can make them")
    elif alive:
        fix = "give the workers the private half of GUICHET_HOMESERVER_PUBLIC_KEY (docs/operations.md)"
        yield Finding("accounts", State.FAILED, "no worker opens what is sealed to our key", fix)
    if by_storage_keys:
        told = f"storage keys, which the web has, open {by_storage_keys} secrets of homeservers"
        fix = "guichet keys reseal, once every node runs this version"
        yield Finding("keys", State.ATTENTION, told, fix)


def _hashes(services: Services, session: Session) -> Finding:
    """Check that opt-outs can be found with the hashing key, whatever happens to link keys."""
    try:
        is_made, unsettled = services.hashes.is_made(session), services.hashes.unsettled(session)
    except LostKey as lost:
        fix = "put the row of hashing_key back from a backup"
        return Finding(OPT_OUTS, State.FAILED, str(lost), fix)
    except CannotOpen:
        fix = "give GUICHET_STORAGE_KEYS the old keys too, then run guichet keys rotate"
        return Finding(OPT_OUTS, State.FAILED, "no storage key here opens their key", fix)
    fix = "guichet db upgrade, before a key is taken out of GUICHET_SECRET_KEYS"
    if not is_made:
        return Finding(OPT_OUTS, State.ATTENTION, "their key is not made yet", fix)
    if unsettled:
        told = f"{unsettled} are found by the present link keys alone"
        return Finding(OPT_OUTS, State.ATTENTION, told, fix)
    return Finding(OPT_OUTS, State.OK, "they are found by a key of their own")


def _rules(session: Session) -> Iterator[Finding]:
    number = rules.current_number(session)
    if any(rule.kind is RuleKind.DEFAULT for rule in rules.load(session, number)):
        yield Finding("rules", State.OK, f"revision {number}")
        return
    fix = "guichet homeserver add NAME --guests, or leave it: then they belong to nobody"
    told = f"revision {number} has no default: addresses no rule names cannot come in"
    yield Finding("rules", State.ATTENTION, told, fix)


def _jobs(services: Services, session: Session) -> Iterator[Finding]:
    waiting = outbox.depth_by_lane(session, services.now())
    oldest = min((at for _, at in waiting.values()), default=services.now())
    told = f"{sum(count for count, _ in waiting.values())} jobs wait"
    if services.now() - oldest > LATE:
        fix = "is a worker running, and the scheduler? guichet mail list"
        yield Finding("outbox", State.ATTENTION, f"{told}, one since {oldest:%H:%M}Z", fix)
    else:
        yield Finding("outbox", State.OK, told)
    unsent = mails_after_restore.count_ended(session)
    if unsent:
        told = f"{unsent} were not sent after a restore, since they may have left before"
        fix = "nothing; guichet mail list --state gave_up shows them for a month"
        yield Finding("mails", State.ATTENTION, told, fix)
    given_up = mails.count_by_state(session).get(MailState.GAVE_UP, 0) - unsent
    if given_up:
        fix = "guichet mail list --state gave_up, then guichet mail retry"
        yield Finding("mails", State.ATTENTION, f"{given_up} were given up", fix)


def _homeserver(services: Services, homeserver: Homeserver, revision: int) -> Iterator[Finding]:
    name = homeserver.name
    with services.database.reading() as session:
        yield from _module(module_models.find(session, name), name)
        yield from stopped.check_standing(session, services.now(), homeserver)
    if homeserver.insecure:
        told = "its certificate is not checked: for tests only"
        fix = f"guichet homeserver set {name} --check-certificate, with --ca-file if it is private"
        yield Finding(name, State.ATTENTION, told, fix)
    if any(map(is_clear_text, {homeserver.url, homeserver.federation_url or homeserver.url})):
        told = "it is asked without TLS: what is sent there can be read and changed on the way"
        state = State.ATTENTION if homeserver.connector == "none" else State.FAILED
        yield Finding(name, state, told, f"guichet homeserver set {name} --url https://…")
    if not homeserver_standing.is_reachable(homeserver, services.now()):
        return  # nothing is sent there, no question of ours either
    try:
        _ask(services, homeserver)
        token = _admin_token(services, homeserver)
    except CannotOpen:
        told = "no key here opens its secrets, or its address was changed since they were given"
        fix = (
            "give GUICHET_HOMESERVER_KEYS and GUICHET_STORAGE_KEYS the old keys too, or the secrets "
            f"anew: guichet homeserver set {name}"
        )
        yield Finding(name, State.FAILED, told, fix)
    except (Away, Refused) as error:
        fix = f"check its URL, certificate and administration token: guichet homeserver set {name}"
        yield Finding(name, State.FAILED, f"it does not answer as it should: {error}", fix)
    else:
        told = "it answers"
        if homeserver.makes_accounts:
            told = "accounts can be made" if token else f"{told}; only a worker opens its secrets"
        yield Finding(name, State.OK, told)
        exposed = _exposure(homeserver, token, revision)
        yield from findings_or_silence(name, "what a guest could try there", exposed)


def _module(module: HomeserverModule | None, name: str) -> Iterator[Finding]:
    """Report a module that is older than this Guichet or does not understand all rules."""
    if module is not None and module.skipped:
        told = f"its module does not understand {module.skipped} of the rules in force"
        yield Finding(name, State.ATTENTION, told, UPGRADE)
    elif module is not None and module.version < VERSION:
        yield Finding(name, State.ATTENTION, "its module is of an older version", UPGRADE)


def _exposure(homeserver: Homeserver, token: str | None, revision: int) -> Iterator[Finding]:
    """Check it by the URL Guichet has and by the one clients are sent to. Raises Silent."""
    name, source = homeserver.name, homeserver.class_source
    with _client(homeserver) as talk:
        url = proxy_exposure.clients_url(talk)
        with _client(homeserver, url) as clients:
            yield from exposure.check_exposure(
                talk, name, class_source=source, token=token, revision=revision, clients=clients
            )
            yield from proxy_exposure.check_proxy(
                talk, clients, name, url=url, class_source=source, token=token
            )
    with _client(homeserver, seconds=readable_rooms.SECONDS, one_deadline=True) as talk:
        yield from readable_rooms.check_readable_rooms(talk, name, token=token)


def _client(
    homeserver: Homeserver,
    url: str | None = None,
    *,
    seconds: float = SECONDS,
    one_deadline: bool = False,
) -> JsonClient:
    ca_pem, insecure = homeserver.ca_pem, homeserver.insecure
    return JsonClient(
        url or homeserver.url,
        ca_pem=ca_pem,
        seconds=seconds,
        insecure=insecure,
        one_deadline=one_deadline,
    )


def _admin_token(services: Services, homeserver: Homeserver) -> str | None:
    """The admin token, None if there is none or this command lacks the keys. Raises CannotOpen."""
    if not isinstance(services, WorkerServices) or not homeserver.makes_accounts:
        return None
    halves = services.private_halves
    token = homeserver_secrets.open_secret(services.vault, halves, homeserver, "admin_token")
    return token.get_secret_value()


def ask_versions(homeserver: Homeserver) -> None:
    """Ask which versions of Matrix it speaks, as every client does first. Raises Away, Refused."""
    with _client(homeserver) as talk:
        answer = talk.call("GET", VERSIONS)
    if answer.status != 200:  # noqa: PLR2004  OK
        raise Refused(f"{answer.status} to {VERSIONS}")


def _ask(services: Services, homeserver: Homeserver) -> None:
    connector = services.connector_for(homeserver) if isinstance(services, WorkerServices) else None
    if connector is not None:
        connector.probe()
        return
    ask_versions(homeserver)


def _redis(services: Services) -> Iterator[Finding]:
    settings = services.settings
    urls = {"broker": settings.broker_url, "limits": settings.redis_url}
    for what, url in urls.items():
        if url is None or not is_redis(url.get_secret_value()):
            continue
        try:
            check_redis(url.get_secret_value(), REDIS_TIME)
        except NoRedis as error:
            told = f"Redis does not answer, or takes nothing: {error}"
            variable = f"GUICHET_{'BROKER' if what == 'broker' else 'REDIS'}_URL"
            fix = f"check {variable} and the server: its memory, its password, who is the primary"
            yield Finding(what, State.FAILED, told, fix)
        else:
            yield Finding(what, State.OK, "Redis answers and takes what is written")


def _mail(services: Services) -> Finding:
    if services.settings.smtp_url is None:
        told = "no relay: mails stay in a folder, readable at /dev/mail"
        return Finding("relay", State.OK, told)
    try:
        services.mailer.probe()
    except NotSent as error:
        fix = "check GUICHET_SMTP_URL: host, port, tls, ca_file, password"
        return Finding("relay", State.FAILED, error.reply, fix)
    return Finding("relay", State.OK, "the relay takes mails")
