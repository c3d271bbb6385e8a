"""Whether the room took an invitation is asked where no report says so; only then its mail leaves."""

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core.http_client import Away
from identity.core.job_outcomes import Later, Note, nothing
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.invitations import models as third_party_invitations
from identity.invitations import room_agreement
from identity.invitations.models import Awaits, ThirdPartyInvitation
from identity.services import WorkerServices

log = logging.getLogger(__name__)

HELD_DELAYS = (
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(hours=1), timedelta(minutes=5)),
    (room_agreement.HELD, timedelta(minutes=15)),
)
"""Up to which age what is held is looked at how often."""


def ask_room(services: WorkerServices, entry: Job) -> Note:
    """Ask, unless the module has reported it meanwhile or the invitation ended."""
    now = services.now()
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, entry.subject_id)
        if invitation is None or not room_agreement.is_open_question(session, now, invitation):
            return nothing
        home = homeservers.find(session, homeserver_of(invitation.sender))
        heard = room_agreement.awaits(session, now, invitation.sender)
        awaits = Awaits(invitation.awaits or heard)
    if awaits is Awaits.REPORT and heard is not Awaits.REPORT:
        # Nor would it answer: the lane does not wait for each of its invitations.
        return _held(services, invitation, "the module there is not heard")
    try:
        is_there = _is_there(services, invitation, home, awaits)
    except (Away, Refused) as silent:
        return _held(services, invitation, str(silent) or type(silent).__name__)
    if is_there:
        return lambda session: _confirm(services, session, invitation)
    age = now - invitation.last_asked
    following = next((each for each in room_agreement.ASKED if each > age), None)
    if following is not None:
        raise Later("the room has not got it yet", following - age)
    return _refusing(services, invitation, room_agreement.REFUSED)


def _is_there(
    services: WorkerServices,
    invitation: ThirdPartyInvitation,
    home: Homeserver | None,
    awaits: Awaits,
) -> bool:
    """Raises Away or Refused where a module should tell and does not; without one silence is consent."""
    if home is None:
        return True
    if awaits is Awaits.REPORT:
        told = services.room_actions_for(home).standing(
            room_id=invitation.room_id, user_id=invitation.sender, token=invitation.token
        )
        # What stands there from before says nothing of who asks again.
        return told.holds_invitation and (bool(invitation.awaits) or told.membership == "join")
    try:
        connector = services.connector_for(home)
        return connector is None or connector.holds_invitation(invitation.room_id, invitation.token)
    except (Away, Refused, CannotOpen) as silent:
        why = str(silent) or type(silent).__name__
        log.warning("%s does not say whether the room took an invitation: %s", home.name, why)
        return True


def _held(services: WorkerServices, invitation: ThirdPartyInvitation, why: str) -> Note:
    """Nothing is lost: it is asked again, and in the end who invited is told."""
    age = services.now() - invitation.last_asked
    if age >= room_agreement.HELD:
        log.error("invitation %s is dropped, the module did not answer: %s", invitation.id, why)
        return _refusing(services, invitation, room_agreement.UNKNOWN)
    if age >= room_agreement.LATE:
        log.error("the mail of invitation %s is held: %s", invitation.id, why)
    following = next((each - age for each in room_agreement.ASKED if each > age), None)
    pause = next(pause for until, pause in HELD_DELAYS if age < until)
    raise Later(why, following or pause)


def _confirm(services: WorkerServices, session: Session, invitation: ThirdPartyInvitation) -> None:
    row = session.get_one(ThirdPartyInvitation, invitation.id)
    room_agreement.confirm(session, services.now(), row, services.hashes)


def _refusing(services: WorkerServices, invitation: ThirdPartyInvitation, why: str) -> Note:
    def conclude(session: Session) -> None:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        room_agreement.refuse(session, services.now(), row, why)

    return conclude
