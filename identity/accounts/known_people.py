"""Which account belongs to an address.

Only the worker may ask this, or a view after the mailbox was verified: the answer must not be told
to anybody else.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts import classes as account_classes
from identity.threepids import associations

from . import models as accounts
from .models import AccountState
from .verified_addresses import VerifiedAddress


def has_account(session: Session, address: str) -> bool:
    """Whether an account exists for this address."""
    account = accounts.find_by_address(session, address)
    if account is not None:
        return account.state == AccountState.READY
    return associations.find_by_address(session, address) is not None


def agent_of(session: Session, rules: RuleSet, address: str) -> str | None:
    """The user ID of the agent with this address, who may send bulk invites; else None."""
    bound = associations.find_by_address(session, address)
    verified = session.scalars(
        select(VerifiedAddress.user_id)
        .where(VerifiedAddress.address == address)
        .order_by(VerifiedAddress.verified_at.desc())
    )
    candidates = [*([bound.user_id] if bound else []), *verified]
    return next(
        (each for each in candidates if account_classes.is_agent(session, rules, each)), None
    )
