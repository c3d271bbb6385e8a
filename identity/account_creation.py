"""From a proved address to an account: claim, ask the homeserver, conclude. No transaction spans the call."""

import logging
from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.orm import Session

from domain_rules import names
from domain_rules.addresses import EmailAddress

from . import problems
from .gateways.homeserver import Connector, Found, NameTaken, NewAccount, Refused
from .gateways.http_client import Away
from .passwords import judge
from .storage import accounts, homeservers
from .storage.accounts import Account, AccountState
from .storage.homeservers import Homeserver
from .storage.verification_requests import VerificationRequest
from .use_cases import accounts as use_case
from .use_cases import invitations, sign_up, welcomes
from .use_cases.welcomes import Welcome
from .wiring import Wiring

log = logging.getLogger(__name__)

TRIES = 4  # looks at the homeserver, should a user ID be taken meanwhile


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


def propose(wired: Wiring, request: VerificationRequest) -> Proposal:
    """Name and homeserver for this address by the rules of now.

    Raises NoSuchRequest if nobody takes it, InvitationNeeded.
    """
    address = EmailAddress.parse(request.address, smtputf8=True)
    rules = wired.rules.current()
    decision = rules.decide(address)
    with wired.database.reading() as session:
        homeserver = homeservers.find(session, decision.homeserver or "")
        is_known = sign_up.has_account(session, address.canonical)
        may_register = invitations.may_register(session, rules, wired.now(), address)
    if homeserver is None:
        raise problems.NoSuchRequest
    if not may_register and not is_known:
        raise problems.InvitationNeeded
    return Proposal(
        display_name=names.display_name(address, decision.organisation),
        homeserver=homeserver,
        organisation=decision.organisation,
        asks_password=wired.connector_for(homeserver) is not None,
        client_url=homeserver.client_url or wired.settings.client_url,
    )


def made(wired: Wiring, request: VerificationRequest) -> Created | None:
    """The account that came of this request's address, if one did."""
    with wired.database.reading() as session:
        account = accounts.of_address(session, request.address)
        if account is None or account.state != AccountState.READY:
            return None
        return _created(wired, session, account)


def create(
    wired: Wiring, request_id: UUID, *, display_name: str, password: str, language: str
) -> Created:
    """Make the account of a confirmed request.

    Raises NoSuchRequest, InvitationNeeded, WrongDisplayName, WeakPassword, AddressTaken, NameRefused,
    and ServerAway: then the proof is kept, and a mail says when the homeserver is back.
    """
    with wired.database.reading() as session:
        request = use_case.confirmed_request(session, wired.now(), request_id)
    proposal = propose(wired, request)
    connector = wired.connector_for(proposal.homeserver)
    if connector is None:
        raise problems.NoSuchRequest
    name = use_case.clean_display_name(display_name)
    verdict = judge(
        password,
        about=(name, request.address, proposal.organisation),
        nearby=(wired.settings.service_name, proposal.homeserver.label, proposal.homeserver.name),
    )
    if verdict.reason is not None:
        raise problems.WeakPassword(verdict.reason)
    try:
        account = _make(
            wired,
            connector,
            request_id,
            proposal.homeserver,
            name=name,
            password=SecretStr(password),
        )
    except (Away, Refused) as error:
        log.warning("homeserver %s: no account made: %s", proposal.homeserver.name, error)
        with wired.database.transaction() as session:
            request = use_case.confirmed_request(session, wired.now(), request_id)
            request.language = language
            use_case.wait_for_server(session, wired.now(), request)
        raise problems.ServerAway(proposal.homeserver.label) from None
    with wired.database.reading() as session:
        return _created(wired, session, account)


def _make(
    wired: Wiring,
    connector: Connector,
    request_id: UUID,
    homeserver: Homeserver,
    *,
    name: str,
    password: SecretStr,
) -> Account:
    another_name = False
    for _ in range(TRIES):
        account = _claim(wired, request_id, homeserver, name, another_name=another_name)
        wanted = NewAccount(
            user_id=account.user_id,
            display_name=name,
            address=account.address,
            password=password,
            mark=account.creation_mark,
        )
        match connector.look(wanted):
            case Found.NOTHING:
                with wired.database.transaction() as session:
                    use_case.seen_free(session.get_one(Account, account.id), wired.now())
                try:
                    connector.create(wanted)
                except NameTaken:
                    continue  # perhaps by the same person's second click: look again
            case Found.BEGUN:
                connector.finish(wanted)
            case Found.FINISHED if _is_ours(wired, account):
                connector.finish(wanted)
            case Found.NAME_TAKEN:
                another_name = True
                continue
            case _:
                with wired.database.transaction() as session:
                    use_case.abandon(session, account.id)
                raise problems.AddressTaken
        return _conclude(wired, account)
    raise problems.NameRefused


def _claim(
    wired: Wiring, request_id: UUID, homeserver: Homeserver, name: str, *, another_name: bool
) -> Account:
    with wired.database.transaction() as session:
        return use_case.claim(
            session,
            wired.rules.current(),
            wired.now(),
            request=use_case.confirmed_request(session, wired.now(), request_id),
            homeserver=homeserver,
            display_name=name,
            another_name=another_name,
        )


def _is_ours(wired: Wiring, account: Account) -> bool:
    # Read anew: a second click may have seen the name free after this one took its claim.
    with wired.database.reading() as session:
        kept = session.get(Account, account.id)
        return kept is not None and kept.seen_free_at is not None


def _conclude(wired: Wiring, account: Account) -> Account:
    with wired.database.transaction() as session:
        kept = session.get_one(Account, account.id, with_for_update=True)
        use_case.finish(session, wired.now(), kept)
        return kept


def _created(wired: Wiring, session: Session, account: Account) -> Created:
    homeserver = homeservers.find(session, account.homeserver)
    return Created(
        user_id=account.user_id,
        homeserver_name=account.homeserver,
        homeserver_label=homeserver.label if homeserver else account.homeserver,
        client_url=(homeserver and homeserver.client_url) or wired.settings.client_url,
        welcome=welcomes.of(session, wired.rules.current(), account),
    )
