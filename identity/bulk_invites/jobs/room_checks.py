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
from identity.services import Wiring


def look(wired: Wiring, entry: OutboxEntry) -> Note:
    """Ask, unless nobody waits any more."""
    with wired.database.reading() as session:
        asked = room_looks.find(session, entry.subject_id)
    if asked is None or not is_awaited(asked, wired.now()):
        return nothing
    told = _told(wired, asked)
    return lambda session: answer(session, wired.now(), asked.id, told)


def _told(wired: Wiring, asked: RoomLook) -> dict[str, object] | str:
    with wired.database.reading() as session:
        home = homeservers.find(session, homeserver_of(asked.user_id))
    if home is None:
        return "no_module"
    try:
        seen = wired.desk_for(home).look(room_id=asked.room_id, sender=asked.user_id)
    except NoModule:
        return "no_module"
    except (Away, Refused):
        return "away"
    return asdict(seen)
