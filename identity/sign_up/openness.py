"""Whether an address may sign up now: operators may have frozen it, or closed its homeserver."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.freezes import service as freezes
from identity.homeservers import models as homeservers, standing as homeserver_standing


def check_open(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> None:
    """Raises SignUpsFrozen, DomainFrozen, HomeserverSuspended, HomeserverRetired."""
    freezes.check_sign_up(session, now, address)
    name = rules.decide(address).homeserver
    homeserver_standing.check_takes_accounts(homeservers.find(session, name) if name else None)
