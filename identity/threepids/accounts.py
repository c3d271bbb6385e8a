"""Accounts of the Identity Service API: a Matrix user gets a token and accepts the terms."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from identity.problems import SignedOut, WrongParameter

from . import account_models as identity_accounts, pepper_rotation
from .terms import Terms


def register(session: Session, now: datetime, *, user_id: str) -> str:
    """A token for a user whose OpenID token the homeserver has just confirmed.

    Raises SignedOut for an account that ended lately: its OpenID token may be older than that.
    """
    identity_accounts.lock(session, user_id)
    if identity_accounts.has_ended(session, user_id, now):
        raise SignedOut("This account was deactivated.")
    # For the first user: a pepper must exist, and GET /hash_details must not create one.
    pepper_rotation.make_first(session, now)
    return identity_accounts.issue(session, now, user_id=user_id)


def accept(
    session: Session, terms: Terms, now: datetime, *, user_id: str, urls: Collection[str]
) -> None:
    """Record that the user accepts these texts. Raises WrongParameter for an unknown URL."""
    if not set(urls) <= terms.urls:
        raise WrongParameter("user_accepts names a text that is none of these terms.")
    identity_accounts.accept(session, now, user_id=user_id, urls=set(urls))
