"""Finding the invitation that a command names."""

import uuid

from sqlalchemy.orm import Session

from identity.command.outcomes import Failure
from identity.invitations import models as third_party_invitations
from identity.invitations.models import ThirdPartyInvitation


def find_or_fail(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    """Raises Failure if there is none."""
    row = third_party_invitations.find(session, invitation_id)
    if row is None:
        raise Failure(f"there is no invitation {invitation_id}")
    return row
