"""Asks a homeserver about a room while a page waits for the answer: once, without retries."""

from dataclasses import asdict

from domain_rules.user_ids import homeserver_of
from identity.bulk_invites import room_check_models
from identity.bulk_invites.room_check_models import RoomCheck
from identity.bulk_invites.room_checks import is_awaited, record_answer
from identity.core.http_client import Away
from identity.core.job_outcomes import RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.problems import HomeserverHeld
from identity.services import Services


def check_room(services: Services, job: Job) -> RecordOutcome:
    """Ask, unless no page waits any more."""
    with services.database.reading() as session:
        check = room_check_models.find(session, job.subject_id)
    if check is None or not is_awaited(check, services.now()):
        return record_nothing
    answer = _ask_homeserver(services, check)
    return lambda session: record_answer(session, services.now(), check.id, answer)


def _ask_homeserver(services: Services, check: RoomCheck) -> dict[str, object] | str:
    with services.database.reading() as session:
        homeserver = homeservers.find(session, homeserver_of(check.user_id))
    if homeserver is None:
        return "no_module"
    try:
        seen = services.room_actions_for(homeserver).look(
            room_id=check.room_id, sender=check.user_id
        )
    except NoModule:
        return "no_module"
    except (Away, Refused, HomeserverHeld):
        return "away"
    return asdict(seen)
