"""Whether an address may sign up now: operators may have frozen it, or closed its homeserver."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.freezes import service as freezes
from identity.homeservers import models as homeservers, standing as homeserver_standing


def check_open(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> None:
    """Raises SignUpsFrozen, DomainFrozen, HomeserverSuspended, HomeserverRetired."""
    check_open_at(session, now, address, rules.decide(address).homeserver)


def check_open_at(session: Session, now: datetime, address: EmailAddress, name: str | None) -> None:
    """As `check_open`, for an address that belongs to the homeserver of this name."""
    freezes.check_sign_up(session, now, address)
    homeserver_standing.check_takes_accounts(homeservers.find(session, name) if name else None)
