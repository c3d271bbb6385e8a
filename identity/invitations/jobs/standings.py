"""Asks what membership a person has in a room, before every delivery of an invitation.

Synapse resets the membership of somebody who has joined to "invite" when it is told again.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core.http_client import Away
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers, modules as homeserver_modules
from identity.homeservers.admin_client import Connector, Refused
from identity.homeservers.breakers import Interface
from identity.homeservers.models import Homeserver
from identity.homeservers.modules import MEMBERSHIP
from identity.problems import HomeserverHeld
from identity.services import WorkerServices

log = logging.getLogger(__name__)


class NobodyToAsk(Exception):
    """No homeserver has given us an administrator's token, or a module that answers this."""


@dataclass(frozen=True)
class _Source:
    """One homeserver interface that can answer."""

    name: str
    find_membership: Callable[[], str | None]


def ask_membership(
    services: WorkerServices, *, user_id: str, room_id: str, inviter: str
) -> str | None:
    """`join`, `invite`, `leave`, …; None if the person was never in the room.

    The person's own homeserver is asked, by its administration API or our module there, and then
    the module in the inviter's homeserver. The latter is asked too if the administration API knows
    nothing: it forgets bans in rooms without local users. Raises Away if all who could answer are
    silent, HomeserverHeld if one of these is held, and NobodyToAsk.
    """
    with services.database.reading() as session:
        sources = list(_sources(services, session, user_id, room_id, inviter))
    if not sources:
        raise NobodyToAsk
    silent, held = [], None
    for source in sources:
        try:
            membership = source.find_membership()
        except HomeserverHeld as stopped:
            silent.append(f"{source.name}: held")
            held = stopped
        except (Away, Refused) as error:
            silent.append(f"{source.name}: {str(error) or type(error).__name__}")
        else:
            if membership is not None:
                return membership
    if len(silent) < len(sources):
        return None
    if held is not None:
        raise held
    raise Away(f"nobody says who is in the room: {'; '.join(silent)}")


def _sources(
    services: WorkerServices, session: Session, user_id: str, room_id: str, inviter: str
) -> Iterator[_Source]:
    own = homeservers.find(session, homeserver_of(user_id))
    if own is not None and (question := _admin_question(services, own)) is not None:
        yield _Source(f"administration of {own.name}", partial(question, user_id, room_id))
    inviting = homeservers.find(session, homeserver_of(inviter))
    for server in dict.fromkeys((own, inviting)):
        if server is not None and _has_module(services, session, server):
            yield _Source(
                f"module in {server.name}", partial(_ask_module, services, server, user_id, room_id)
            )


def _admin_question(
    services: WorkerServices, own: Homeserver
) -> Callable[[str, str], str | None] | None:
    try:
        connector = services.connector_for(own)
    except CannotOpen:
        return _cannot_open_token
    except HomeserverHeld as held:
        return partial(_raise_held, held)
    return partial(_ask_administration, services, own, connector) if connector else None


def _ask_administration(
    services: WorkerServices, own: Homeserver, connector: Connector, user_id: str, room_id: str
) -> str | None:
    with services.calls.admitted(own.name, Interface.ACCOUNTS):
        return connector.membership(user_id, room_id)


def _cannot_open_token(_user_id: str, _room_id: str) -> str | None:
    raise Away("no key here opens its token")


def _raise_held(held: HomeserverHeld, _user_id: str, _room_id: str) -> str | None:
    raise held


def _has_module(services: WorkerServices, session: Session, server: Homeserver) -> bool:
    return homeserver_modules.offers_action(session, services.now(), server.name, MEMBERSHIP)


def _ask_module(
    services: WorkerServices, server: Homeserver, user_id: str, room_id: str
) -> str | None:
    return services.room_actions_for(server).standing(room_id=room_id, user_id=user_id).membership
