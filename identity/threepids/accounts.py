"""Matrix users come with what their homeserver vouches for, get a token, accept the terms, and leave."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from identity.problems import SignedOut, WrongParameter

from . import account_models as identity_accounts
from . import pepper_rotation
from .terms import Terms


def register(session: Session, now: datetime, *, user_id: str) -> str:
    """A token for the user of whom the homeserver has just said that it is them.

    Raises SignedOut for an account that ended lately: what vouches for it may be older than that.
    """
    identity_accounts.lock(session, user_id)
    if identity_accounts.has_ended(session, user_id, now):
        raise SignedOut("This account was deactivated.")
    # The first user finds a pepper: no GET makes one.
    pepper_rotation.make_first(session, now)
    return identity_accounts.issue(session, now, user_id=user_id)


def accept(
    session: Session, terms: Terms, now: datetime, *, user_id: str, urls: Collection[str]
) -> None:
    """Add these texts to what the user has accepted. Raises WrongParameter for one that is none of ours."""
    if not set(urls) <= terms.urls:
        raise WrongParameter("user_accepts names a text that is none of these terms.")
    identity_accounts.accept(session, now, user_id=user_id, urls=set(urls))
