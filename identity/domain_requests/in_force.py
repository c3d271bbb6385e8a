"""What the rules in force make of domains that people ask for, as the database has them now."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.routing import models as rules

from .models import RequestState


def find_rules(session: Session, now: datetime, domains: Collection[str]) -> dict[str, Rule]:
    """The rule that decides for each of these domains (A-labels), the default not counted.

    Only their own rules are read: the rules of this process may be two seconds old.
    """
    keys = {(RuleKind.DOMAIN, domain) for domain in domains}
    for domain in domains:
        labels = domain.split(".")
        keys |= {(RuleKind.SUFFIX, ".".join(labels[start:])) for start in range(len(labels))}
    found = rules.find_in_force(session, sorted(keys))
    compiled = RuleSet.compile(found, revision=rules.current_number(session), at=now)
    decides = {domain: compiled.rule_of_domain(domain) for domain in domains}
    return {domain: rule for domain, rule in decides.items() if rule is not None}


def state_by(rule: Rule | None) -> RequestState | None:
    """How a request for a domain ends by its rule; None: the domain is still not open."""
    if rule is None:
        return None
    if rule.sibling_of:
        return RequestState.REDIRECTED
    is_open = rule.account_class is AccountClass.AGENT and not rule.requires_invite
    return RequestState.OPENED if is_open else None
