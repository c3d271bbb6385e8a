"""A homeserver is asked about a room while somebody waits in front of a page: once, for there is no later."""

from dataclasses import asdict

from domain_rules.user_ids import homeserver_of
from identity.bulk_invites import room_check_models as room_looks
from identity.bulk_invites.room_check_models import RoomLook
from identity.bulk_invites.room_checks import answer, is_awaited
from identity.core.http_client import Away
from identity.core.job_outcomes import Note, nothing
from identity.core.outbox import OutboxEntry
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule
from identity.services import Services


def look(services: Services, entry: OutboxEntry) -> Note:
    """Ask, unless nobody waits any more."""
    with services.database.reading() as session:
        asked = room_looks.find(session, entry.subject_id)
    if asked is None or not is_awaited(asked, services.now()):
        return nothing
    told = _told(services, asked)
    return lambda session: answer(session, services.now(), asked.id, told)


def _told(services: Services, asked: RoomLook) -> dict[str, object] | str:
    with services.database.reading() as session:
        home = homeservers.find(session, homeserver_of(asked.user_id))
    if home is None:
        return "no_module"
    try:
        seen = services.desk_for(home).look(room_id=asked.room_id, sender=asked.user_id)
    except NoModule:
        return "no_module"
    except (Away, Refused):
        return "away"
    return asdict(seen)
