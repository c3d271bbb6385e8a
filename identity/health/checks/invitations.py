"""Checks of `guichet doctor` for invitations that wait for an operator or for a homeserver."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core.findings import Finding, State, found
from identity.homeservers import modules as homeserver_modules
from identity.homeservers.models import Homeserver
from identity.homeservers.modules import MEMBERSHIP
from identity.invitations import (
    models as third_party_invitations,
    room_agreement,
    search as invitation_search,
)
from identity.invitations.models import Delivery


def check_invitations(session: Session, now: datetime) -> Iterator[Finding]:
    """Report invitations that could not be delivered, and mails that are held."""
    dead = third_party_invitations.count_by_delivery(session).get(Delivery.DEAD, 0)
    if dead:
        yield found("invitations", State.ATTENTION, "deliveries_dead", n=dead)
    held = invitation_search.count_held(session, now - room_agreement.LATE)
    if held:
        yield found("invitations", State.ATTENTION, "invitations_held", n=held)


def check_unknown_members(
    session: Session, now: datetime, registered: Sequence[Homeserver]
) -> Iterator[Finding]:
    """Report the homeservers that Guichet cannot ask who is in a room."""
    silent = [
        each.name
        for each in registered
        if not each.makes_accounts
        and not homeserver_modules.offers_action(session, now, each.name, MEMBERSHIP)
    ]
    if silent:
        names = ", ".join(silent)
        yield found("rooms", State.ATTENTION, "members_unknown", homeservers=names)
