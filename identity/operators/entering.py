"""Makes the link that lets an operator in from the shell."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.core import journal
from identity.core.journal import Actor
from identity.problems import NoSuchOperator

from . import links, models, notices, service
from .models import LinkKind, Operator
from .notices import What

PATH = "/admin/sign-in/once/"


def find_by_name_or_mail(session: Session, named: str) -> Operator:
    """The operator of this address, however it is written, or of this name. Raises NoSuchOperator."""
    try:
        mail = EmailAddress.parse(named).canonical
    except InvalidAddress:
        mail = named.lower()
    found = models.find_by_mail(session, mail) or models.find_by_name(session, named)
    if found is None:
        raise NoSuchOperator
    return found


def link_for(session: Session, now: datetime, who: Actor, operator: Operator) -> str:
    """The token of a link for a quarter of an hour. It does not replace the second factor.

    Raises NoSuchOperator if they are disabled.
    """
    if operator.disabled_at is not None:
        raise NoSuchOperator(f"{operator.name} is disabled: guichet ops enable lets them in again.")
    if operator.unconfirmed_at is not None:
        raise NoSuchOperator(f"{operator.name} waits since a restore: guichet ops confirm.")
    token = links.issue(session, now, operator.id, LinkKind.SIGN_IN)
    if operator.needs_second_factor:
        notices.tell_admins(session, now, who, operator, What.LINK)
    journal.write(session, now, who, action="operator.link", subject=operator.name, facts={})
    return token


def embedded_link(session: Session, now: datetime, who: Actor) -> str:
    """The token of a link for the operator of a trial installation, who is made if need be."""
    return link_for(session, now, who, service.make_embedded(session, now))
