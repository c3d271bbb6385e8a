"""The Identity Service API v2: its path prefix, and its guards (a valid token, accepted terms)."""

import logging
from datetime import datetime

from flask import g, request

from identity.core.database import AWAY
from identity.homeservers import standing as homeserver_standing
from identity.problems import MissingParameter, SignedOut, TermsNotSigned
from identity.threepids import account_models as identity_accounts
from identity.threepids.account_models import IdentityAccount
from identity.web import parameters
from identity.web.guards import bearer_token
from identity.web.request_context import services

V2 = "/_matrix/identity/v2"

log = logging.getLogger(__name__)


def signed_in() -> None:
    """Require a valid token and accepted terms; views get the account from `caller()`."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token())
        check_terms(account)


def signed_in_before_terms() -> None:
    """Require a valid token only: for logging out and accepting the terms."""
    if request.method != "OPTIONS":
        signed_in_account(bearer_token())


def signed_in_by_query() -> None:
    """As `signed_in`, with the token in the query too, where Synapse sends it for /hash_details."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token() or _query_token())
        check_terms(account)


def caller() -> IdentityAccount:
    """The account of this request, in a view behind one of the guards above."""
    account: IdentityAccount = g.identity_account
    return account


def signed_in_account(token: str | None) -> IdentityAccount:
    """The account of a token, which becomes the `caller()`. Raises SignedOut, HomeserverSuspended."""
    if not token:
        raise SignedOut("An access token is needed here.")
    now = services.now()
    with services.database.reading() as session:
        account = identity_accounts.find_by_token(session, token, now)
        if account is not None:
            homeserver_standing.check_user(session, account.user_id)
    if account is None:
        raise SignedOut
    if identity_accounts.is_use_to_be_recorded(account, now):
        _record_use(account, now)
    g.identity_account = account
    return account


def bearer_account() -> IdentityAccount | None:
    """The account of the bearer token; None if there is none. Raises SignedOut."""
    token = bearer_token()
    return None if token is None else signed_in_account(token)


def check_terms(account: IdentityAccount) -> None:
    """Raises TermsNotSigned if the account has not accepted the terms."""
    if not services.terms.policies:
        return
    with services.database.reading() as session:
        accepted = identity_accounts.accepted_urls(session, account.user_id)
    if not services.terms.are_accepted(accepted):
        raise TermsNotSigned


def _record_use(account: IdentityAccount, now: datetime) -> None:
    """Record a use of the token; a database that cannot be written to is no reason to refuse."""
    try:
        with services.database.transaction() as session:
            identity_accounts.record_use(session, account, now)
    except AWAY as error:
        log.warning("the use of a token was not noted: %s", type(error).__name__)


def _query_token() -> str | None:
    try:
        return parameters.required("access_token")[0]
    except MissingParameter:
        return None
