"""What operators do with lists of people; it leaves a row in the journal."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_users

from . import service
from .models import BulkInvite


def send(
    session: Session,
    rules: RuleSet,
    now: datetime,
    who: Actor,
    bulk_invite: BulkInvite,
    *,
    quota: int,
) -> int:
    """Send a checked list in the name of its owner. Returns and raises as `service.confirm`."""
    count = service.confirm(session, rules, now, bulk_invite, quota=quota)
    facts = {"room_id": bulk_invite.room_id, "people": count}
    subject, places = str(bulk_invite.id), of_users([bulk_invite.owner])
    journal.write(
        session, now, who, action="invitation.send", subject=subject, facts=facts, places=places
    )
    return count
