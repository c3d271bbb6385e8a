"""The class of an account, agent or guest: by its homeserver, or by its verified addresses."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.homeservers import models as homeservers

from . import verified_addresses


def is_agent(session: Session, rules: RuleSet, user_id: str) -> bool:
    """Whether a user is an agent. On an unregistered homeserver, nobody is.

    Verified addresses count, associations alone do not.
    """
    homeserver = homeservers.find(session, homeserver_of(user_id))
    of_all = of_everybody(homeserver.class_source if homeserver is not None else None)
    if of_all is not None:
        return of_all is AccountClass.AGENT
    return has_agents_address(rules, verified_addresses.addresses_of(session, user_id))


def of_everybody(class_source: str | None) -> AccountClass | None:
    """The class of all users of a homeserver (None: not registered); None: each has their own."""
    if class_source is None or class_source == "guest":
        return AccountClass.GUEST
    return AccountClass.AGENT if class_source == "agent" else None


def has_agents_address(rules: RuleSet, addresses: Iterable[str]) -> bool:
    """Whether one of these stored addresses is an agent's by the current rules."""
    return any(
        rules.decide(EmailAddress.stored(address)).account_class is AccountClass.AGENT
        for address in addresses
    )
