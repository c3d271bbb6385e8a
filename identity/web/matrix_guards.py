"""The Identity Service API v2: its path prefix, and its guards (a valid token, accepted terms)."""

import logging
from datetime import datetime
from functools import partial

from flask import current_app, g, request

from identity.core.database_faults import AWAY
from identity.core.node_epoch import ShortMemory
from identity.problems import MissingParameter, SignedOut, TermsNotSigned
from identity.threepids import account_models as identity_accounts, callers
from identity.threepids.callers import Caller
from identity.web import parameters
from identity.web.guards import bearer_token
from identity.web.request_context import services

V2 = "/_matrix/identity/v2"
CALLERS = "guichet_callers"  # among the extensions of the application

log = logging.getLogger(__name__)


def signed_in() -> None:
    """Require a valid token and accepted terms; views get the account from `caller()`."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token())
        check_terms(account)


def signed_in_now() -> None:
    """As `signed_in`, but nothing remembered counts: for what lasts longer than that."""
    if request.method != "OPTIONS":
        check_terms(signed_in_account(bearer_token(), from_memory=False))


def signed_in_before_terms() -> None:
    """Require a valid token only: for logging out and accepting the terms."""
    if request.method != "OPTIONS":
        signed_in_account(bearer_token())


def signed_in_by_query() -> None:
    """As `signed_in`, with the token in the query too, where Synapse sends it for /hash_details."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token() or _query_token())
        check_terms(account)


def caller() -> Caller:
    """The caller of this request, in a view behind one of the guards above."""
    found: Caller = g.identity_account
    return found


def signed_in_account(token: str | None, *, from_memory: bool = True) -> Caller:
    """The account of a token, which becomes the `caller()`. Raises SignedOut, HomeserverSuspended.

    `from_memory`: what the database said of it counts for two seconds at most, and no longer than until a token
    ends, or the standing of a homeserver changes, on this node: see core/node_epoch.py.
    """
    if not token:
        raise SignedOut("An access token is needed here.")
    now = services.now()
    ask = partial(_ask, token, now)
    known: ShortMemory[Caller] = current_app.extensions[CALLERS]
    found = known.get(identity_accounts.hash_of(token), ask) if from_memory else ask()
    if found is None or now >= found.ends_at:
        raise SignedOut
    g.identity_account = found
    return found


def bearer_account() -> Caller | None:
    """The account of the bearer token, not from memory; None without a token. Raises SignedOut."""
    token = bearer_token()
    return None if token is None else signed_in_account(token, from_memory=False)


def check_terms(user: Caller) -> None:
    """Raises TermsNotSigned if the user has not accepted the terms."""
    terms = services.terms
    if terms.are_accepted(user.accepted):
        return
    with services.database.reading() as session:  # perhaps accepted since
        accepted = identity_accounts.accepted_urls(session, user.user_id)
    if not terms.are_accepted(accepted):
        raise TermsNotSigned


def _ask(token: str, now: datetime) -> Caller | None:
    found = services.database.ask(partial(callers.find, token=token, now=now))
    if found is None or not identity_accounts.is_use_to_be_recorded(found, now):
        return found
    try:
        with services.database.transaction() as session:
            identity_accounts.record_use(session, found, now)
            return callers.find(session, token, now)  # it lasts longer now
    except AWAY as error:  # a database that cannot be written to is no reason to refuse
        log.warning("the use of a token was not noted: %s", type(error).__name__)
    return found


def _query_token() -> str | None:
    try:
        return parameters.required("access_token")[0]
    except MissingParameter:
        return None
