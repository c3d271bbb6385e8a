"""The invited person is there: their homeserver is told of the invitations that waited (onbind)."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.outbox import JobKind, Lane

from . import models
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation
from .states import record


def order_all(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Send the invitations that waited for this address after the person who has it now."""
    for invitation in models.waiting_for(session, address, now):
        order_delivery(session, now, invitation, user_id)


def order_delivery(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, user_id: str
) -> None:
    """The invited person is there: let their homeserver be told of an invitation that has not ended."""
    if not record(session, now, invitation, State.ACCEPTED, Happened.ACCEPTED, by=user_id):
        return
    if models.move(
        session, invitation, source=(Delivery.WAITING,), to=Delivery.DUE, invitee=user_id
    ):
        outbox.enqueue(session, JobKind.ONBIND, invitation.id, now, lane=Lane.NORMAL)


def deliver_again(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """An operator wants a given-up or waiting delivery tried now. False: there is none."""
    models.move(session, invitation, source=(Delivery.DEAD,), to=Delivery.DUE, last_error=None)
    session.refresh(invitation)
    if invitation.delivery not in {Delivery.DUE, Delivery.SENDING}:
        return False
    # The entry of a mail has the mail as its subject, and of a revocation one that has ended.
    if not outbox.retry(session, invitation.id, now):
        outbox.enqueue(session, JobKind.ONBIND, invitation.id, now, lane=Lane.NORMAL)
    return True
