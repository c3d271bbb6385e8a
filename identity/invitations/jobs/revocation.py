"""A revoked invitation leaves its room: the inviter's homeserver is asked to empty the event that holds its keys.

Whether it does or not, the invitation has ended: nobody can register by what still stands there.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.invitations import models as third_party_invitations
from identity.invitations.history import Happened
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.states import record
from identity.services import Services

BY = "worker"
GIVE_UP = timedelta(days=3)
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
KEPT = "the event in the room keeps its keys"


def empty_room(services: Services, entry: Job) -> Note:
    """Ask, and write into the history how it ended; without our module there it ends quietly."""
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, entry.subject_id)
        sender = invitation.sender if invitation else ""
        homeserver = homeservers.find(session, homeserver_of(sender))
    if invitation is None:
        return nothing
    if homeserver is None:
        return _noting(services, invitation, f"its homeserver is not registered: {KEPT}")
    try:
        services.room_actions_for(homeserver).revoke(
            room_id=invitation.room_id, token=invitation.token, sender=sender
        )
    except NoModule:
        return _noting(services, invitation, f"its homeserver has no module of ours: {KEPT}")
    except Refused as refused:
        return _noting(services, invitation, f"its homeserver refused ({refused}): {KEPT}")
    except Away as away:
        raise _later(services, entry, invitation, str(away)) from None
    return _noting(services, invitation, None)


def _later(
    services: Services, entry: Job, invitation: ThirdPartyInvitation, why: str
) -> Later | GiveUp:
    delay = DELAYS[min(entry.attempts, len(DELAYS)) - 1]
    if services.now() + delay > entry.created_at + GIVE_UP:
        return GiveUp(why, _noting(services, invitation, f"its homeserver is away: {KEPT}"))
    return Later(why, delay)


def _noting(services: Services, invitation: ThirdPartyInvitation, failure: str | None) -> Note:
    happened = Happened.ROOM_NOT_EMPTIED if failure else Happened.ROOM_EMPTIED

    def conclude(session: Session) -> None:
        record(session, services.now(), invitation, None, happened, by=BY, detail=failure)

    return conclude
