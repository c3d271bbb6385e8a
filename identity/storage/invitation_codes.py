"""The code in the mail of an invitation: its tries, counted in the database."""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from .third_party_invitations import ThirdPartyInvitation


def spend_try(session: Session, invitation: ThirdPartyInvitation) -> int | None:
    """Take one try of the code in force. The tries left after it; None if there was none to take.

    One statement: fifty at once take five between them.
    """
    left = session.scalar(
        update(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.id == invitation.id,
            ThirdPartyInvitation.tries_left > 0,
            ThirdPartyInvitation.code_generation == invitation.code_generation,
        )
        .values(
            tries_left=ThirdPartyInvitation.tries_left - 1,
            wrong_tries=ThirdPartyInvitation.wrong_tries + 1,
        )
        .returning(ThirdPartyInvitation.tries_left)
        .execution_options(synchronize_session=False)
    )
    session.refresh(invitation)
    return left


def give_try_back(session: Session, invitation: ThirdPartyInvitation) -> None:
    """The try was right: it counts against nobody."""
    session.execute(
        update(ThirdPartyInvitation)
        .where(ThirdPartyInvitation.id == invitation.id)
        .values(
            tries_left=ThirdPartyInvitation.tries_left + 1,
            wrong_tries=ThirdPartyInvitation.wrong_tries - 1,
        )
        .execution_options(synchronize_session=False)
    )
    session.refresh(invitation)


def wrong_tries_since(session: Session, address: str, since: datetime) -> int:
    """Wrong codes typed for the invitations of an address whose code is not older than that."""
    return (
        session.scalar(
            select(func.sum(ThirdPartyInvitation.wrong_tries)).where(
                ThirdPartyInvitation.address == address,
                func.coalesce(ThirdPartyInvitation.code_made_at, ThirdPartyInvitation.created_at)
                > since,
            )
        )
        or 0
    )
