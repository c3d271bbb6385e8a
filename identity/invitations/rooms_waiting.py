"""The rooms that a person reached by accepting invitations to their address."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import State, ThirdPartyInvitation

TAKEN_UP = (State.ACCEPTED, State.DELIVERED, State.JOINED)


def find_taken_up(session: Session, address: str, user_id: str) -> list[dict[str, Any]]:
    """The facts (names and pictures) of each room, by its oldest accepted invitation first."""
    rows = session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address == address,
            ThirdPartyInvitation.invitee == user_id,
            ThirdPartyInvitation.state.in_(TAKEN_UP),
        )
        .order_by(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
    )
    return list({row.room_id: row.facts for row in rows}.values())
