"""What operators change about one invitation; each change leaves a row in the journal."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses, of_users

from . import delivery, service
from .models import ThirdPartyInvitation


def resend(session: Session, now: datetime, who: Actor, invitation: ThirdPartyInvitation) -> bool:
    """Order its mail once more. Returns and raises as `service.resend`."""
    done = service.resend(session, now, invitation, by=who.name)
    return _noted(session, now, who, invitation, action="invitation.resend", done=done)


def revoke(session: Session, now: datetime, who: Actor, invitation: ThirdPartyInvitation) -> bool:
    """End it. Returns as `service.revoke`."""
    done = service.revoke(session, now, invitation, by=who.name)
    return _noted(session, now, who, invitation, action="invitation.revoke", done=done)


def extend(
    session: Session, now: datetime, who: Actor, invitation: ThirdPartyInvitation, *, days: int
) -> bool:
    """Let it stand until `days` from now. Returns as `service.extend`."""
    done = service.extend(session, now, invitation, by=who.name, days=days)
    return _noted(session, now, who, invitation, action="invitation.extend", done=done)


def deliver(session: Session, now: datetime, who: Actor, invitation: ThirdPartyInvitation) -> bool:
    """Tell its homeserver again at once. Returns as `delivery.deliver_again`."""
    done = delivery.deliver_again(session, now, invitation)
    return _noted(session, now, who, invitation, action="invitation.deliver", done=done)


def _noted(
    session: Session,
    now: datetime,
    who: Actor,
    invitation: ThirdPartyInvitation,
    *,
    action: str,
    done: bool,
) -> bool:
    if done:
        facts = {
            "room_id": invitation.room_id,
            "state": invitation.state,
            "expires_at": invitation.expires_at.isoformat(timespec="seconds"),
        }
        subject = str(invitation.id)
        places = of_users([invitation.sender, invitation.invitee])
        places |= of_addresses([invitation.address])
        journal.write(session, now, who, action=action, subject=subject, facts=facts, places=places)
    return done
