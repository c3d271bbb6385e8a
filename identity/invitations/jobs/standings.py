"""Who somebody is in a room: asked before every invitation, for Synapse throws who has joined back to "invited"."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core.http_client import Away
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers
from identity.homeservers import modules as homeserver_modules
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.homeservers.modules import MEMBERSHIP
from identity.services import WorkerServices

log = logging.getLogger(__name__)


class NobodyToAsk(Exception):
    """No homeserver has given us an administrator's token or a module that answers this."""


@dataclass(frozen=True)
class _Way:
    """One who can be asked."""

    name: str
    ask: Callable[[], str | None]


def ask(services: WorkerServices, *, user_id: str, room_id: str, inviter: str) -> str | None:
    """`join`, `invite`, `leave`, …; None if they never had to do with the room.

    Their own homeserver is asked, by its administration or by our module there, or else the module in that of
    who invites; also where the administration knows nothing: it forgets who was banned from a room that none of
    its people is in. Raises Away if all who could tell are silent, and NobodyToAsk.
    """
    with services.database.reading() as session:
        ways = list(_ways(services, session, user_id, room_id, inviter))
    if not ways:
        raise NobodyToAsk
    silent = []
    for way in ways:
        try:
            membership = way.ask()
        except (Away, Refused) as error:
            silent.append(f"{way.name}: {str(error) or type(error).__name__}")
        else:
            if membership is not None:
                return membership
    if len(silent) < len(ways):
        return None
    raise Away(f"nobody says who is in the room: {'; '.join(silent)}")


def _ways(
    services: WorkerServices, session: Session, user_id: str, room_id: str, inviter: str
) -> Iterator[_Way]:
    home = homeservers.find(session, homeserver_of(user_id))
    if home is not None and (asking := _of_administration(services, home)) is not None:
        yield _Way(f"administration of {home.name}", partial(asking, user_id, room_id))
    there = homeservers.find(session, homeserver_of(inviter))
    for server in dict.fromkeys((home, there)):
        if server is not None and _has_module(services, session, server):
            yield _Way(
                f"module in {server.name}", partial(_by_module, services, server, user_id, room_id)
            )


def _of_administration(
    services: WorkerServices, home: Homeserver
) -> Callable[[str, str], str | None] | None:
    try:
        connector = services.connector_for(home)
    except CannotOpen:
        return _without_key
    return connector.membership if connector else None


def _without_key(_user_id: str, _room_id: str) -> str | None:
    raise Away("no key here opens its token")


def _has_module(services: WorkerServices, session: Session, server: Homeserver) -> bool:
    return homeserver_modules.does(session, services.now(), server.name, MEMBERSHIP)


def _by_module(
    services: WorkerServices, server: Homeserver, user_id: str, room_id: str
) -> str | None:
    return services.room_actions_for(server).standing(room_id=room_id, user_id=user_id).membership
