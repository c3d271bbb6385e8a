"""From a proved address to an account, as far as the web goes: claim, judge, hand over, follow.

The homeserver is asked by the worker (identity/registration/jobs.py): the web has no key for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules import display_names as names
from domain_rules.addresses import EmailAddress
from identity import problems
from identity.accounts import models as accounts
from identity.accounts.models import Account, AccountState
from identity.core import worker_heartbeats
from identity.core.outbox import Lane
from identity.homeservers import breakers as homeserver_breakers
from identity.homeservers import models as homeservers
from identity.homeservers.models import Homeserver
from identity.invitations import service as invitations
from identity.registration import attempts, welcomes
from identity.registration import models as account_attempts
from identity.registration import service as use_case
from identity.registration.attempts import Stands
from identity.registration.passwords import judge
from identity.registration.welcomes import Welcome
from identity.services import Services
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest


@dataclass(frozen=True)
class Proposal:
    """What the last page of the sign-up shows. `asks_password`: whether Guichet makes the account."""

    display_name: str
    homeserver: Homeserver
    organisation: str
    asks_password: bool
    client_url: str


@dataclass(frozen=True)
class Created:
    """An account that stands."""

    user_id: str
    homeserver_name: str
    homeserver_label: str
    client_url: str
    welcome: Welcome


@dataclass(frozen=True)
class Followed:
    """An attempt, as far as who waits for it is told. `waited`: since it was handed over."""

    stands: Stands
    display_name: str
    waited: timedelta


def propose(services: Services, request: VerificationRequest) -> Proposal:
    """Name and homeserver for this address by the rules of now.

    Raises NoSuchRequest if nobody takes it, InvitationNeeded.
    """
    address = EmailAddress.stored(request.address)
    rules = services.rules.current()
    decision = rules.decide(address)
    with services.database.reading() as session:
        homeserver = homeservers.find(session, decision.homeserver or "")
        is_known = sign_up.has_account(session, address.canonical)
        may_register = invitations.may_register(session, rules, services.now(), address)
    if homeserver is None:
        raise problems.NoSuchRequest
    if not may_register and not is_known:
        raise problems.InvitationNeeded
    return Proposal(
        display_name=names.display_name(address, decision.organisation),
        homeserver=homeserver,
        organisation=decision.organisation,
        asks_password=homeserver.makes_accounts,
        client_url=homeserver.client_url or services.settings.client_url,
    )


def made(services: Services, request: VerificationRequest) -> Created | None:
    """The account that came of this request's address, if one did."""
    with services.database.reading() as session:
        account = accounts.of_address(session, request.address)
        if account is None or account.state != AccountState.READY:
            return None
        return _created(services, session, account)


def ask(
    services: Services, request_id: UUID, *, display_name: str, password: str, language: str
) -> None:
    """Claim the account of a confirmed request, judge the password, hand both over to the worker.

    Returns when the worker has it, or while an earlier attempt is under way; `follow` tells how it ends.
    Raises NoSuchRequest, InvitationNeeded, WrongDisplayName, WeakPassword, AddressTaken, NameRefused,
    and ServerAway: then nothing was kept but the proof, and a mail says when the homeserver is back.
    """
    name = use_case.clean_display_name(display_name)
    with services.database.reading() as session:
        request = use_case.confirmed_request(session, services.now(), request_id)
    proposal = propose(services, request)
    if not proposal.asks_password:
        raise problems.NoSuchRequest
    claimed = _claim(services, request_id, proposal.homeserver, name, language)
    if claimed is None:
        return
    attempt_id, account = claimed
    # What costs time comes after the claim: of many forms sent at once, one password is judged.
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


def follow(services: Services, request: VerificationRequest) -> Followed:
    """Where the newest attempt of a request stands."""
    with services.database.reading() as session:
        attempt = account_attempts.of_request(session, request.id)
    now = services.now()
    return Followed(
        stands=attempts.stands(attempt, now),
        display_name=attempt.display_name if attempt else "",
        waited=now - attempt.begun_at if attempt else timedelta(),
    )


def _claim(
    services: Services, request_id: UUID, homeserver: Homeserver, name: str, language: str
) -> tuple[UUID, Account] | None:
    """None if an attempt of this request is under way. Raises ServerAway."""
    with services.database.transaction() as session:
        now = services.now()
        request = use_case.confirmed_request(session, now, request_id)
        if _is_under_way(session, now, request_id):
            return None
        lane = _lane_of_probe(services, session, now, homeserver)
        if lane is None:
            return _claim_both(services, session, request, homeserver, name=name, language=language)
        request.language = language
        use_case.wait_for_server(session, now, request, lane=lane)
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
    account = use_case.claim(
        session,
        services.rules.current(),
        now,
        request=request,
        homeserver=homeserver,
        display_name=name,
    )
    account_attempts.belongs_to(session, attempt_id, account.id)
    return attempt_id, account


def _is_under_way(session: Session, now: datetime, request_id: UUID) -> bool:
    attempt = account_attempts.of_request(session, request_id)
    return attempts.stands(attempt, now) is Stands.UNDER_WAY


def _lane_of_probe(
    services: Services, session: Session, now: datetime, homeserver: Homeserver
) -> Lane | None:
    """Where to look after a homeserver that no account can be made on now; None if one can."""
    if not worker_heartbeats.one_opens(session, now, services.public_half.key_id):
        return Lane.ACCOUNTS  # which nobody empties until such a worker is back
    is_away = homeserver_breakers.open_until(session, now, homeserver.name) is not None
    return Lane.BULK if is_away else None


def _created(services: Services, session: Session, account: Account) -> Created:
    homeserver = homeservers.find(session, account.homeserver)
    return Created(
        user_id=account.user_id,
        homeserver_name=account.homeserver,
        homeserver_label=homeserver.label if homeserver else account.homeserver,
        client_url=(homeserver and homeserver.client_url) or services.settings.client_url,
        welcome=welcomes.welcome_of(session, services.rules.current(), account),
    )
