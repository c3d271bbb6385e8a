"""Agent or guest: by the homeserver an account lives on, or by the addresses that were proved for it."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, RuleSet
from domain_rules.user_ids import homeserver_of
from identity.homeservers import models as homeservers

from . import verified_addresses


def is_agent(session: Session, rules: RuleSet, user_id: str) -> bool:
    """Nobody is one on a homeserver that is not registered. The public association does not count."""
    homeserver = homeservers.find(session, homeserver_of(user_id))
    if homeserver is None or homeserver.class_source == "guest":
        return False
    if homeserver.class_source == "agent":
        return True
    return has_agents_address(rules, verified_addresses.of_user(session, user_id))


def has_agents_address(rules: RuleSet, addresses: Iterable[str]) -> bool:
    """Whether one of these, as they are stored, is an agent's by the rules of now."""
    return any(
        rules.decide(EmailAddress.stored(address)).account_class is AccountClass.AGENT
        for address in addresses
    )
