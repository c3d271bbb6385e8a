"""Who may come in to v2: Matrix users by the token we gave them, once they have accepted the terms."""

import logging
from datetime import datetime

from flask import g, request
from sqlalchemy.exc import OperationalError

from identity.problems import MissingParameter, SignedOut, TermsNotSigned
from identity.threepids import account_models as identity_accounts
from identity.threepids.account_models import IdentityAccount
from identity.web import parameters
from identity.web.api_guards import anyone, bearer_token
from identity.web.request_context import services

log = logging.getLogger(__name__)

__all__ = [
    "anyone",
    "bearer_account",
    "caller",
    "check_terms",
    "signed_in",
    "signed_in_before_terms",
    "signed_in_by_query",
]


def signed_in() -> None:
    """Asks for a good token and accepted terms; views have the account by `caller()`."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token())
        check_terms(account)


def signed_in_before_terms() -> None:
    """Asks for a good token: to leave, or to accept the terms."""
    if request.method != "OPTIONS":
        signed_in_account(bearer_token())


def signed_in_by_query() -> None:
    """The same as `signed_in`, with the token in the query too: Synapse asks for the pepper like that."""
    if request.method != "OPTIONS":
        account = signed_in_account(bearer_token() or _query_token())
        check_terms(account)


def caller() -> IdentityAccount:
    """Who asks, behind one of the guards above."""
    account: IdentityAccount = g.identity_account
    return account


def signed_in_account(token: str | None) -> IdentityAccount:
    """The account of a token, noted as the caller. Raises SignedOut."""
    if not token:
        raise SignedOut("An access token is needed here.")
    now = services.now()
    with services.database.reading() as session:
        account = identity_accounts.of_token(session, token, now)
    if account is None:
        raise SignedOut
    if identity_accounts.is_to_be_noted(account, now):
        _note_use(account, now)
    g.identity_account = account
    return account


def bearer_account() -> IdentityAccount | None:
    """Where a token is one of several proofs: its account; None if no bearer token is there. Raises SignedOut."""
    token = bearer_token()
    return None if token is None else signed_in_account(token)


def check_terms(account: IdentityAccount) -> None:
    """Raises TermsNotSigned."""
    if not services.terms.policies:
        return
    with services.database.reading() as session:
        accepted = identity_accounts.accepted_urls(session, account.user_id)
    if not services.terms.are_accepted(accepted):
        raise TermsNotSigned


def _note_use(account: IdentityAccount, now: datetime) -> None:
    """A database that cannot be written to just now keeps nobody out."""
    try:
        with services.database.transaction() as session:
            identity_accounts.note_use(session, account, now)
    except OperationalError as error:
        log.warning("the use of a token was not noted: %s", type(error).__name__)


def _query_token() -> str | None:
    try:
        return parameters.required("access_token")[0]
    except MissingParameter:
        return None
