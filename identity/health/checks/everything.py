"""Everything that doctor checks of a running service, and what mends what is wrong."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind
from domain_rules.wire_format import VERSION
from identity import migrations
from identity.core import nodes, waiting_jobs
from identity.core.findings import Finding, State, findings_or_silence, found
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
            if here is None:
                yield found("database", State.FAILED, "schema_none", newest=str(newest))
            else:
                yield found("database", State.FAILED, "schema_old", here=here, newest=str(newest))
            return
        code = "schema" if here == newest else "schema_later"
        yield found("database", State.OK, code, here=str(here))
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
        yield found("database", State.FAILED, "database_silent", error=type(error).__name__)
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
        yield found("accounts", State.OK, "accounts")
    elif alive:
        yield found("accounts", State.FAILED, "accounts_sealed")
    if by_storage_keys:
        yield found("keys", State.ATTENTION, "secrets_by_storage_keys", n=by_storage_keys)


def _hashes(services: Services, session: Session) -> Finding:
    """Check that opt-outs can be found with the hashing key, whatever happens to link keys."""
    try:
        is_made, unsettled = services.hashes.is_made(session), services.hashes.unsettled(session)
    except LostKey as lost:
        return found(OPT_OUTS, State.FAILED, "hashing_key_lost", why=str(lost))
    except CannotOpen:
        return found(OPT_OUTS, State.FAILED, "hashing_key_closed")
    if not is_made:
        return found(OPT_OUTS, State.ATTENTION, "hashing_key_unmade")
    if unsettled:
        return found(OPT_OUTS, State.ATTENTION, "hashing_key_unsettled", n=unsettled)
    return found(OPT_OUTS, State.OK, "hashing_key")


def _rules(session: Session) -> Iterator[Finding]:
    number = rules.current_number(session)
    if any(rule.kind is RuleKind.DEFAULT for rule in rules.load(session, number)):
        yield found("rules", State.OK, "rules", number=number)
    else:
        yield found("rules", State.ATTENTION, "rules_without_default", number=number)


def _jobs(services: Services, session: Session) -> Iterator[Finding]:
    waiting = waiting_jobs.depth_by_lane(session, services.now())
    oldest = min((at for _, at in waiting.values()), default=services.now())
    count = sum(each for each, _ in waiting.values())
    if services.now() - oldest > LATE:
        yield found("outbox", State.ATTENTION, "jobs_late", n=count, at=f"{oldest:%H:%M}Z")
    else:
        yield found("outbox", State.OK, "jobs", n=count)
    unsent = mails_after_restore.count_ended(session)
    if unsent:
        yield found("mails", State.ATTENTION, "mails_perhaps_sent", n=unsent)
    given_up = mails.count_by_state(session).get(MailState.GAVE_UP, 0) - unsent
    if given_up:
        yield found("mails", State.ATTENTION, "mails_given_up", n=given_up)


def _homeserver(services: Services, homeserver: Homeserver, revision: int) -> Iterator[Finding]:
    name = homeserver.name
    with services.database.reading() as session:
        yield from _module(module_models.find(session, name), name)
        yield from stopped.check_standing(session, services.now(), homeserver)
    if homeserver.insecure:
        yield found(name, State.ATTENTION, "certificate_unchecked", name=name)
    if any(map(is_clear_text, {homeserver.url, homeserver.federation_url or homeserver.url})):
        state = State.ATTENTION if homeserver.connector == "none" else State.FAILED
        yield found(name, state, "clear_text", name=name)
    if not homeserver_standing.is_reachable(homeserver, services.now()):
        return  # nothing is sent there, no question of ours either
    try:
        _ask(services, homeserver)
        token = _admin_token(services, homeserver)
    except CannotOpen:
        yield found(name, State.FAILED, "secrets_closed", name=name)
    except (Away, Refused) as error:
        yield found(name, State.FAILED, "homeserver_wrong", error=str(error), name=name)
    else:
        code = "homeserver"
        if homeserver.makes_accounts:
            code = "homeserver_makes_accounts" if token else "homeserver_secrets_elsewhere"
        yield found(name, State.OK, code)
        exposed = _exposure(homeserver, token, revision)
        yield from findings_or_silence(name, "silent_exposure", exposed)


def _module(module: HomeserverModule | None, name: str) -> Iterator[Finding]:
    """Report a module that is older than this Guichet or does not understand all rules."""
    if module is not None and module.skipped:
        yield found(name, State.ATTENTION, "module_skips", n=module.skipped)
    elif module is not None and module.version < VERSION:
        yield found(name, State.ATTENTION, "module_old")


def _exposure(homeserver: Homeserver, token: str | None, revision: int) -> Iterator[Finding]:
    """Check it by the URL Guichet has and by the one clients are sent to. Raises Silent."""
    name, source = homeserver.name, homeserver.class_source
    with _client(homeserver) as talk:
        url = proxy_exposure.clients_url(talk)
        yield from proxy_exposure.check_clients_url(
            name, told=url, registered=homeserver.clients_url
        )
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
            variable = f"GUICHET_{'BROKER' if what == 'broker' else 'REDIS'}_URL"
            yield found(what, State.FAILED, "redis_wrong", error=str(error), variable=variable)
        else:
            yield found(what, State.OK, "redis")


def _mail(services: Services) -> Finding:
    if services.settings.smtp_url is None:
        return found("relay", State.OK, "relay_none")
    try:
        services.mailer.probe()
    except NotSent as error:
        return found("relay", State.FAILED, "relay_wrong", reply=error.reply)
    return found("relay", State.OK, "relay")
