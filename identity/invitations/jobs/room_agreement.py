"""Asks whether a room holds an invitation, if no report said so; its mail waits for that."""

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.admin_client import Refused
from identity.homeservers.breakers import Interface
from identity.homeservers.models import Homeserver
from identity.invitations import models as third_party_invitations, room_agreement
from identity.invitations.models import Awaits, ThirdPartyInvitation
from identity.services import WorkerServices

log = logging.getLogger(__name__)


def ask_room(services: WorkerServices, job: Job) -> RecordOutcome:
    """Ask, unless the module reported it meanwhile or the invitation ended. Raises Later."""
    now = services.now()
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, job.subject_id)
        if invitation is None or not room_agreement.is_open_question(session, now, invitation):
            return record_nothing
        homeserver = homeservers.find(session, homeserver_of(invitation.sender))
        expected = room_agreement.expected_confirmation(session, now, invitation.sender)
        awaits = Awaits(invitation.awaits or expected)
    if homeserver is not None:
        homeserver_standing.check_reachable(homeserver, now)
    age = now - max(invitation.last_asked, job.released_at or invitation.last_asked)
    if awaits is Awaits.REPORT and expected is not Awaits.REPORT:
        # It would not answer either, and the lane must not wait for each of its invitations.
        return _keep_waiting(services, invitation, age, "the module there is not heard")
    try:
        is_there = _is_there(services, invitation, homeserver, awaits)
    except (Away, Refused) as silent:
        return _keep_waiting(services, invitation, age, str(silent) or type(silent).__name__)
    if is_there:
        return lambda session: _confirm(services, session, invitation)
    following = next((each for each in room_agreement.ASKED if each > age), None)
    if following is not None:
        raise Later("the room has not got it yet", following - age)
    return _refusing(services, invitation, room_agreement.REFUSED)


def _is_there(
    services: WorkerServices,
    invitation: ThirdPartyInvitation,
    homeserver: Homeserver | None,
    awaits: Awaits,
) -> bool:
    """Whether the room holds it; without a module, no answer counts as yes.

    Raises Away or Refused if a module should answer and does not.
    """
    if homeserver is None:
        return True
    if awaits is Awaits.REPORT:
        standing = services.room_actions_for(homeserver).standing(
            room_id=invitation.room_id, user_id=invitation.sender, token=invitation.token
        )
        # An event from before does not show that a repeated invitation was accepted.
        return standing.holds_invitation and (
            bool(invitation.awaits) or standing.membership == "join"
        )
    try:
        connector = services.connector_for(homeserver)
        if connector is None:
            return True
        with services.calls.admitted(homeserver.name, Interface.ACCOUNTS):
            return connector.holds_invitation(invitation.room_id, invitation.token)
    except (Away, Refused, CannotOpen) as silent:
        why = str(silent) or type(silent).__name__
        log.warning("%s does not say whether the room took an invitation: %s", homeserver.name, why)
        return True


def _keep_waiting(
    services: WorkerServices, invitation: ThirdPartyInvitation, age: timedelta, why: str
) -> RecordOutcome:
    """Ask again later; after ROOM_HELD the invitation ends and its inviter is told. Raises Later.

    `age`: since it was requested, or since its homeserver is not held any more.
    """
    if age >= retries.ROOM_HELD:
        log.error("invitation %s is dropped, the module did not answer: %s", invitation.id, why)
        return _refusing(services, invitation, room_agreement.UNKNOWN)
    if age >= room_agreement.LATE:
        log.error("the mail of invitation %s is held: %s", invitation.id, why)
    following = next((each - age for each in room_agreement.ASKED if each > age), None)
    pause = next(pause for until, pause in retries.ROOM_SILENT if age < until)
    raise Later(why, following or pause)


def _confirm(services: WorkerServices, session: Session, invitation: ThirdPartyInvitation) -> None:
    row = session.get_one(ThirdPartyInvitation, invitation.id)
    room_agreement.confirm(session, services.now(), row, services.hashes)


def _refusing(
    services: WorkerServices, invitation: ThirdPartyInvitation, why: str
) -> RecordOutcome:
    def conclude(session: Session) -> None:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        room_agreement.refuse(session, services.now(), row, why)

    return conclude
