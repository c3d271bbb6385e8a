"""Takes an invitation that a loaded backup lost out of its room."""

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.invitations import lost
from identity.invitations.lost import LostInvitation
from identity.services import Services


def empty_room(services: Services, job: Job) -> RecordOutcome:
    """Ask the homeserver of the inviter, and record the outcome.

    Raises Later, GiveUp, HomeserverHeld.
    """
    with services.database.reading() as session:
        found = lost.find(session, job.subject_id)
        homeserver = homeservers.find(session, homeserver_of(found.sender)) if found else None
    if found is None:
        return record_nothing
    if homeserver is None:
        return _recording(services, found, "its homeserver is not registered")
    homeserver_standing.check_reachable(homeserver, services.now())
    try:
        services.room_actions_for(homeserver).revoke(
            room_id=found.room_id, token=found.token, sender=found.sender
        )
    except NoModule:
        return _recording(services, found, "its homeserver has no module of ours")
    except Refused as refused:
        return _recording(services, found, f"its homeserver refused: {refused}")
    except Away as away:
        now = services.now()
        pause = retries.REVOCATION.next_pause(job.attempts, began_at=job.created_at, now=now)
        if pause is None:
            raise GiveUp(str(away), _recording(services, found, "its homeserver is away")) from None
        raise Later(str(away), pause) from None
    return _recording(services, found, None)


def _recording(services: Services, found: LostInvitation, why: str | None) -> RecordOutcome:
    def record(session: Session) -> None:
        row = session.get_one(LostInvitation, found.id)
        row.emptied_at, row.why = (None if why else services.now()), why

    return record
