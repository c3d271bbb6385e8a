"""Who is known by an address. To be told only to who proved it, and asked only by the worker or after the proof."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts import classes as account_classes
from identity.threepids import associations

from . import models as accounts
from .models import AccountState
from .verified_addresses import VerifiedAddress


def has_account(session: Session, address: str) -> bool:
    """Whether somebody is known by this address."""
    account = accounts.of_address(session, address)
    if account is not None:
        return account.state == AccountState.READY
    return associations.of_address(session, address) is not None


def agent_of(session: Session, rules: RuleSet, address: str) -> str | None:
    """The agent's account this address was proved for, if it may send lists."""
    bound = associations.of_address(session, address)
    proved = session.scalars(
        select(VerifiedAddress.user_id)
        .where(VerifiedAddress.address == address)
        .order_by(VerifiedAddress.proved_at.desc())
    )
    candidates = [*([bound.user_id] if bound else []), *proved]
    return next(
        (each for each in candidates if account_classes.is_agent(session, rules, each)), None
    )
