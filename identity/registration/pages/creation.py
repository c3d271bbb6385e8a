"""Creating an account, the web's part: claim it, judge the password, hand over, show progress.

The homeserver is called by the worker (identity/registration/jobs/): the web has no key to its
secrets.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules import display_names
from domain_rules.addresses import EmailAddress
from identity import problems
from identity.accounts import known_people, models as accounts
from identity.accounts.models import Account, AccountState
from identity.core import nodes
from identity.core.outbox import Lane
from identity.homeservers import (
    breakers as homeserver_breakers,
    models as homeservers,
    standing as homeserver_standing,
)
from identity.homeservers.clients import client_link, phone_link
from identity.homeservers.models import Homeserver
from identity.invitations import service as invitations
from identity.registration import (
    attempts,
    models as account_attempts,
    service as registration,
    welcomes,
)
from identity.registration.attempts import AttemptStatus
from identity.registration.passwords import judge
from identity.registration.welcomes import Welcome
from identity.services import Services
from identity.sign_up import openness
from identity.sign_up.models import VerificationRequest


@dataclass(frozen=True)
class Proposal:
    """What the form shows. `asks_password`: whether Guichet creates the account."""

    display_name: str
    homeserver: Homeserver
    organisation: str
    asks_password: bool
    client_url: str


@dataclass(frozen=True)
class Created:
    """An account that was created, as the welcome page shows it.

    Both links hold what their templates ask for; `fills_user_id`: whether the first holds the user ID;
    `names_server`: whether the second holds the homeserver.
    """

    user_id: str
    homeserver_name: str
    homeserver_label: str
    client_url: str
    phone_url: str | None
    fills_user_id: bool
    names_server: bool
    welcome: Welcome


@dataclass(frozen=True)
class Progress:
    """An attempt as the progress page shows it. `waited`: since it was handed over."""

    status: AttemptStatus
    display_name: str
    waited: timedelta


def propose(services: Services, request: VerificationRequest) -> Proposal:
    """The proposed name, and the homeserver by the current rules.

    Raises NoSuchRequest if no homeserver takes the address, InvitationNeeded.
    """
    address = EmailAddress.stored(request.address)
    rules = services.rules.current()
    decision = rules.decide(address)
    with services.database.reading() as session:
        homeserver = homeservers.find(session, decision.homeserver or "")
        is_known = known_people.has_account(session, address.canonical)
        may_register = invitations.may_register(session, rules, services.now(), address)
    if homeserver is None:
        raise problems.NoSuchRequest
    if not may_register and not is_known:
        raise problems.InvitationNeeded
    return Proposal(
        display_name=display_names.display_name(address, decision.organisation),
        homeserver=homeserver,
        organisation=decision.organisation,
        asks_password=homeserver.makes_accounts,
        client_url=client_link(homeserver, services.settings),
    )


def check_open(services: Services, request: VerificationRequest) -> None:
    """Raises what `openness.check_open` raises: no account is made for this address now."""
    rules, address = services.rules.current(), EmailAddress.stored(request.address)
    with services.database.reading() as session:
        openness.check_open(session, rules, services.now(), address)


def find_created(services: Services, request: VerificationRequest) -> Created | None:
    """The account that was created for this request's address; None if there is none."""
    with services.database.reading() as session:
        account = accounts.find_by_address(session, request.address)
        if account is None or account.state != AccountState.READY:
            return None
        return _created(services, session, account)


def request_account(
    services: Services, request_id: UUID, *, display_name: str, password: str, language: str
) -> None:
    """Claim the account of a confirmed request, judge the password, hand both over to the worker.

    Returns when the job is enqueued or an earlier attempt is under way; see `find_progress`.
    Raises NoSuchRequest, InvitationNeeded, WrongDisplayName, WeakPassword, AddressTaken,
    NameRefused, what `check_open` raises, and ServerAway: then only the request is kept, and a mail says when the homeserver
    is back.
    """
    name = registration.clean_display_name(display_name)
    with services.database.reading() as session:
        request = registration.confirmed_request(session, services.now(), request_id)
    check_open(services, request)
    proposal = propose(services, request)
    if not proposal.asks_password:
        raise problems.NoSuchRequest
    claimed = _claim(services, request_id, proposal.homeserver, name, language)
    if claimed is None:
        return
    attempt_id, account = claimed
    # After the claim, since it is costly: of many forms sent at once, one password is judged.
    verdict = judge(
        password,
        about=(name, request.address, proposal.organisation),
        nearby=(
            services.settings.service_name,
            proposal.homeserver.label,
            proposal.homeserver.name,
        ),
    )
    with services.database.transaction() as session:
        if verdict.reason is not None:
            attempts.release(session, attempt_id)
        else:
            attempts.hand_over(
                session,
                services.now(),
                services.public_half,
                attempt_id=attempt_id,
                account=account,
                password=password,
            )
    if verdict.reason is not None:
        raise problems.WeakPassword(verdict.reason)


def find_progress(services: Services, request: VerificationRequest) -> Progress:
    """The progress of the newest attempt of a request."""
    with services.database.reading() as session:
        attempt = account_attempts.find_by_request(session, request.id)
    now = services.now()
    return Progress(
        status=attempts.status_of(attempt, now),
        display_name=attempt.display_name if attempt else "",
        waited=now - attempt.begun_at if attempt else timedelta(),
    )


def _claim(
    services: Services, request_id: UUID, homeserver: Homeserver, name: str, language: str
) -> tuple[UUID, Account] | None:
    """None if an attempt of this request is under way. Raises ServerAway."""
    with services.database.transaction() as session:
        now = services.now()
        request = registration.confirmed_request(session, now, request_id)
        if _is_under_way(session, now, request_id):
            return None
        lane = _lane_of_probe(services, session, now, homeserver)
        if lane is None:
            return _claim_both(services, session, request, homeserver, name=name, language=language)
        request.language = language
        registration.wait_for_homeserver(
            session, now, request, homeserver=homeserver.name, lane=lane
        )
    raise problems.ServerAway(homeserver.label)


def _claim_both(
    services: Services,
    session: Session,
    request: VerificationRequest,
    homeserver: Homeserver,
    *,
    name: str,
    language: str,
) -> tuple[UUID, Account] | None:
    now = services.now()
    attempt_id = attempts.claim(
        session,
        now,
        request,
        homeserver=homeserver.name,
        display_name=name,
        language=language,
    )
    if attempt_id is None:
        return None
    account = registration.claim(
        session,
        services.rules.current(),
        now,
        request=request,
        homeserver=homeserver,
        display_name=name,
    )
    account_attempts.set_account(session, attempt_id, account.id)
    return attempt_id, account


def _is_under_way(session: Session, now: datetime, request_id: UUID) -> bool:
    attempt = account_attempts.find_by_request(session, request_id)
    return attempts.status_of(attempt, now) is AttemptStatus.UNDER_WAY


def _lane_of_probe(
    services: Services, session: Session, now: datetime, homeserver: Homeserver
) -> Lane | None:
    """The lane for the job that probes the homeserver; None if it can create accounts now."""
    if not nodes.can_open(session, services.database_now(), services.public_half.key_id):
        return Lane.ACCOUNTS  # its jobs wait until a worker that can do them is back
    is_away = homeserver_breakers.open_until(session, now, homeserver.name) is not None
    is_away = is_away or not homeserver_standing.is_reachable(homeserver, now)
    return Lane.BULK if is_away else None


def _created(services: Services, session: Session, account: Account) -> Created:
    homeserver = homeservers.find(session, account.homeserver)
    welcome = welcomes.welcome_of(session, services.rules.current(), account)
    person = {"user_id": account.user_id, "room_id": welcome.room_id}
    client_url = client_link(homeserver, services.settings, **person)
    phone_url = phone_link(homeserver, services.settings, **person)
    # A link that was registered for one homeserver may name it without a placeholder.
    server = {account.homeserver, *([homeserver.clients_url] if homeserver else [])}
    return Created(
        user_id=account.user_id,
        homeserver_name=account.homeserver,
        homeserver_label=homeserver.label if homeserver else account.homeserver,
        client_url=client_url,
        phone_url=phone_url,
        fills_user_id=client_url
        != client_link(homeserver, services.settings, room_id=welcome.room_id),
        names_server=any(each in unquote(phone_url or "") for each in server),
        welcome=welcome,
    )
