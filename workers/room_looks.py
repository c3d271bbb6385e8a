"""A homeserver is asked about a room while somebody waits in front of a page: once, for there is no later."""

from dataclasses import asdict

from identity.gateways.desk import NoModule
from identity.gateways.homeserver import Refused
from identity.gateways.http_client import Away
from identity.storage import homeservers, room_looks
from identity.storage.outbox import OutboxEntry
from identity.storage.room_looks import RoomLook
from identity.use_cases.binding import homeserver_of
from identity.use_cases.room_looks import answer, is_awaited
from identity.wiring import Wiring

from .endings import Note, nothing


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
