"""A homeserver is asked about a room while somebody waits in front of a page: once, for there is no later."""

from dataclasses import asdict

from domain_rules.user_ids import homeserver_of
from identity.bulk_invites import room_check_models as room_checks
from identity.bulk_invites.room_check_models import RoomCheck
from identity.bulk_invites.room_checks import is_awaited, record_answer
from identity.core.http_client import Away
from identity.core.job_outcomes import Note, nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.services import Services


def check_room(services: Services, entry: Job) -> Note:
    """Ask, unless nobody waits any more."""
    with services.database.reading() as session:
        asked = room_checks.find(session, entry.subject_id)
    if asked is None or not is_awaited(asked, services.now()):
        return nothing
    told = _told(services, asked)
    return lambda session: record_answer(session, services.now(), asked.id, told)


def _told(services: Services, asked: RoomCheck) -> dict[str, object] | str:
    with services.database.reading() as session:
        home = homeservers.find(session, homeserver_of(asked.user_id))
    if home is None:
        return "no_module"
    try:
        seen = services.room_actions_for(home).look(room_id=asked.room_id, sender=asked.user_id)
    except NoModule:
        return "no_module"
    except (Away, Refused):
        return "away"
    return asdict(seen)
