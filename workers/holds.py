"""Lets go the jobs whose hold has ended by itself, as a freeze does at its time."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.freezes import service as freezes
from identity.homeservers import standing as homeserver_standing
from identity.invitations import block_models as inviter_blocks
from identity.services import WorkerServices


def release_ended(services: WorkerServices) -> None:
    """Release what nothing holds any more. Whoever ends a hold by hand does so at once."""
    with services.database.reading() as session:
        ended = _ended(session, services.now())
    if not ended:
        return
    with services.database.transaction() as session:
        now = services.now()
        for key in _ended(session, now):
            outbox.release(session, now, key)


def _ended(session: Session, now: datetime) -> list[str]:
    holding = outbox.count_held(session)
    if not holding:
        return []
    in_force = {
        *freezes.keys_in_force(session, now),
        *homeserver_standing.keys_in_force(session, now),
        *inviter_blocks.keys_in_force(session, now),
    }
    return sorted(holding.keys() - in_force)
