"""Starts the delivery of invitations to the homeserver of the person who has the address now.

The job that follows calls the homeserver's `onbind` endpoint, see `jobs/onbind.py`.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_in
from identity.core import outbox
from identity.core.outbox import JobKind, Lane

from . import models
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation
from .states import record_event


def order_deliveries(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Deliver every invitation that waits for this address to `user_id`."""
    for invitation in models.find_waiting(session, address, now):
        order_delivery(session, now, invitation, user_id)


def order_delivery(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, user_id: str
) -> None:
    """Accept an open invitation for `user_id`, and enqueue its delivery.

    Nothing happens if it has ended.
    """
    if not record_event(session, now, invitation, State.ACCEPTED, Happened.ACCEPTED, by=user_id):
        return
    if models.move_delivery(
        session, invitation, source=(Delivery.WAITING,), to=Delivery.DUE, invitee=user_id
    ):
        _enqueue(session, now, invitation, user_id)


def deliver_again(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Try a failed or waiting delivery now, as an operator asks for.

    Returns False if there is none.
    """
    models.move_delivery(
        session, invitation, source=(Delivery.DEAD,), to=Delivery.DUE, last_error=None
    )
    session.refresh(invitation)
    if invitation.delivery not in {Delivery.DUE, Delivery.SENDING}:
        return False
    # No other job has this invitation as its subject: those of mails name the mail, and a
    # revocation only follows the end of an invitation.
    if not outbox.retry(session, invitation.id, now):
        _enqueue(session, now, invitation, invitation.invitee)
    return True


def _enqueue(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, user_id: str | None
) -> None:
    told = homeserver_in(user_id or "")
    outbox.enqueue(session, JobKind.ONBIND, invitation.id, now, lane=Lane.NORMAL, homeserver=told)
