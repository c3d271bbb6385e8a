"""Clears a revoked invitation's event in its room, by asking the inviter's homeserver.

Whether that succeeds or not, the invitation has ended: nobody can register by it.
"""

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.invitations import models as third_party_invitations
from identity.invitations.history import Happened
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.states import record_event
from identity.services import Services

BY = "worker"
NOT_CLEARED = "the event in the room keeps its keys"


def empty_room(services: Services, job: Job) -> RecordOutcome:
    """Ask, and record the outcome in the history. Raises Later or GiveUp while it is away.

    Raises HomeserverHeld.
    """
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, job.subject_id)
        sender = invitation.sender if invitation else ""
        homeserver = homeservers.find(session, homeserver_of(sender))
    if invitation is None:
        return record_nothing
    if homeserver is None:
        return _recording(services, invitation, "is not registered")
    homeserver_standing.check_reachable(homeserver, services.now())
    failure = None
    try:
        services.room_actions_for(homeserver).revoke(
            room_id=invitation.room_id, token=invitation.token, sender=sender
        )
    except NoModule:
        failure = "has no module of ours"
    except Refused as refused:
        failure = f"refused ({refused})"
    except Away as away:
        raise _later(services, job, invitation, str(away)) from None
    return _recording(services, invitation, failure)


def _later(
    services: Services, job: Job, invitation: ThirdPartyInvitation, why: str
) -> Later | GiveUp:
    pause = retries.REVOCATION.next_pause(job.attempts, began_at=job.created_at, now=services.now())
    if pause is None:
        return GiveUp(why, _recording(services, invitation, "is away"))
    return Later(why, pause)


def _recording(
    services: Services, invitation: ThirdPartyInvitation, failure: str | None
) -> RecordOutcome:
    """`failure`: why its homeserver did not clear the event; None if it did."""
    happened = Happened.ROOM_NOT_EMPTIED if failure else Happened.ROOM_EMPTIED
    detail = f"its homeserver {failure}: {NOT_CLEARED}" if failure else None

    def conclude(session: Session) -> None:
        record_event(session, services.now(), invitation, None, happened, by=BY, detail=detail)

    return conclude
