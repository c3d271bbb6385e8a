"""Delivers an invitation to the homeserver of the person who bound the address (onbind).

Synapse resets the membership of somebody who has joined to "invite" when it receives onbind again.
So the person's membership is asked before every attempt, also the first, and an attempt is recorded
before it is made. Where no membership can be asked, there is one attempt only.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.accounts import classes as account_classes
from identity.core import continuity, retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import (
    models as homeservers,
    onbind_client,
    standing as homeserver_standing,
)
from identity.homeservers.admin_client import Refused
from identity.homeservers.breakers import Interface
from identity.homeservers.models import Homeserver
from identity.homeservers.onbind_client import Unsure
from identity.invitations import models as third_party_invitations, service as invitations
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.invitations.states import last_open_state, record_event
from identity.mail import models as mails
from identity.problems import NotOfFederation
from identity.services import WorkerServices
from identity.threepids import associations

from . import standings
from .standings import NobodyToAsk

log = logging.getLogger(__name__)

BY = "worker"
LATE = timedelta(minutes=10)  # after which a waiting delivery is an error in the log
IN_ROOM = {"join", "invite"}
OUTCOMES = {
    "join": (State.JOINED, Happened.JOINED, "was in the room already: nothing was sent"),
    "invite": (State.DELIVERED, Happened.DELIVERED, "was invited already: nothing was sent"),
    "ban": (State.REVOKED, Happened.REVOKED, "is banned from the room: nothing was sent"),
}
"""Memberships for which no onbind is sent, and how the invitation ends."""
UNFINISHED = (Delivery.DUE, Delivery.SENDING)


def deliver(services: WorkerServices, job: Job) -> RecordOutcome:
    """Deliver one invitation, unless the invited person has reached the room already."""
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, job.subject_id)
        if invitation is None or invitation.delivery not in UNFINISHED:
            return record_nothing
        may_invite = account_classes.is_agent(session, services.rules.current(), invitation.sender)
        bound = associations.find_by_address(session, invitation.address)
        others = third_party_invitations.find_in_same_room(session, invitation)
        invitee = bound.user_id if bound else None
    if invitation.delivery == Delivery.SENDING:
        if _has_arrived(services, job, invitation):
            return _delivered(services, invitation)
        _set_delivery(services, invitation, Delivery.DUE)
    if invitee is None or invitation.ended_at is not None:
        return _waits_again(services, invitation)
    if not may_invite:
        # Rules change: an inviter may no longer be an agent.
        return _revoked(services, invitation)
    if any(_is_repeated_by(other, invitation, invitee) for other in others):
        detail = "by another invitation to the same room"
        return _superseded(services, invitation, State.DELIVERED, Happened.DELIVERED, detail)
    return _ask_and_send(services, job, invitation, invitee)


def _ask_and_send(
    services: WorkerServices, job: Job, invitation: ThirdPartyInvitation, invitee: str
) -> RecordOutcome:
    with services.database.reading() as session:
        homeserver = homeservers.find(session, homeserver_of(invitee))
    if homeserver is None:
        raise _give_up(invitation, f"{homeserver_of(invitee)} is not registered")
    homeserver_standing.check_reachable(homeserver, services.now())
    try:
        membership, can_ask = _ask_membership(services, job, invitation, invitee), True
    except NobodyToAsk:
        membership, can_ask = None, False
        if _may_have_been_told(services, invitation):
            why = "a backup was loaded: it may have been told before, and there is nobody to ask"
            raise _give_up(invitation, why) from None
    if membership in OUTCOMES:
        return _superseded(services, invitation, *OUTCOMES[membership])
    return _send(services, job, invitation, invitee, homeserver, can_ask=can_ask)


def _may_have_been_told(services: WorkerServices, invitation: ThirdPartyInvitation) -> bool:
    with services.database.reading() as session:
        return continuity.was_restored_after(session, invitation.created_at)


def _send(
    services: WorkerServices,
    job: Job,
    invitation: ThirdPartyInvitation,
    invitee: str,
    homeserver: Homeserver,
    *,
    can_ask: bool,
) -> RecordOutcome:
    body = onbind_body(services, invitation, invitee)
    if not _claim(services, invitation, invitee):
        raise _later(job, services.now(), invitation, "another one to the same room is on its way")
    try:
        with services.federation.talk(
            homeserver.name, Interface.ONBIND, seconds=onbind_client.SECONDS
        ) as talk:
            onbind_client.send_onbind(talk, body)
    except Away as away:
        if away.sent and not can_ask:
            raise _give_up(invitation, f"told once, and nobody to ask: {away}") from None
        _set_delivery(services, invitation, Delivery.DUE)
        raise _later(job, services.now(), invitation, str(away)) from None
    except (Refused, NotOfFederation) as refused:
        raise _give_up(invitation, str(refused)) from None
    except Unsure as unsure:
        if not can_ask:
            raise _give_up(invitation, f"uncertain, and nobody to ask: {unsure}") from None
        # It stays "sending": the next attempt begins with the membership.
        raise Later(f"uncertain: {unsure}", retries.ONBIND.pause_after(2)) from None
    return _delivered(services, invitation)


def _is_repeated_by(
    other: ThirdPartyInvitation, invitation: ThirdPartyInvitation, invitee: str
) -> bool:
    """Whether it would only repeat what was delivered to the same person and room since."""
    return (
        other.invitee == invitee
        and other.delivered_at is not None
        and other.delivered_at >= invitation.created_at
    )


def _claim(services: WorkerServices, invitation: ThirdPartyInvitation, invitee: str) -> bool:
    """Record that it is about to be sent; of several to the same room one goes first."""
    with services.database.transaction() as session:
        mails.lock_address(session, invitation.address)
        others = third_party_invitations.find_in_same_room(session, invitation)
        if any(
            o.delivery == Delivery.SENDING or _is_repeated_by(o, invitation, invitee)
            for o in others
        ):
            return False
        return third_party_invitations.move_delivery(
            session,
            invitation,
            source=(Delivery.DUE,),
            to=Delivery.SENDING,
            invitee=invitee,
            attempted_at=services.now(),
        )


def _has_arrived(services: WorkerServices, job: Job, invitation: ThirdPartyInvitation) -> bool:
    try:
        membership = _ask_membership(services, job, invitation, invitation.invitee or "")
    except NobodyToAsk:
        if invitation.ended_at is not None:
            return False  # nothing more is sent, so the outcome does not matter
        why = "an earlier attempt ended uncertain, and there is nobody to ask"
        raise _give_up(invitation, why) from None
    return membership in IN_ROOM


def _ask_membership(
    services: WorkerServices, job: Job, invitation: ThirdPartyInvitation, user_id: str
) -> str | None:
    """The person's membership in the room, or None.

    Raises NobodyToAsk; Later, or in the end GiveUp, while nobody answers.
    """
    try:
        return standings.ask_membership(
            services, user_id=user_id, room_id=invitation.room_id, inviter=invitation.sender
        )
    except Away as silent:
        raise _later(job, services.now(), invitation, str(silent)) from None


def onbind_body(
    services: WorkerServices, invitation: ThirdPartyInvitation, invitee: str
) -> dict[str, Any]:
    """The body of the onbind request: the association, and the invitation, signed.

    It is signed with the key that the room knows.
    """
    about = {"medium": "email", "address": invitation.address, "mxid": invitee}
    signed = services.sign({"mxid": invitee, "token": invitation.token}, invitation.signing_key_id)
    invite = about | {
        "room_id": invitation.room_id,
        "sender": invitation.sender,
        "signed": signed,
    }
    return about | {"invites": [invite]}


def _set_delivery(
    services: WorkerServices, invitation: ThirdPartyInvitation, to: Delivery, **facts: object
) -> None:
    with services.database.transaction() as session:
        third_party_invitations.move_delivery(
            session, invitation, source=UNFINISHED, to=to, **facts
        )


def _delivered(services: WorkerServices, invitation: ThirdPartyInvitation) -> RecordOutcome:
    now, rules = services.now(), services.rules.current()

    def conclude(session: Session) -> None:
        row = _reload(session, invitation)
        invitations.reconsider_class(session, rules, row)
        _end_delivery(row, Delivery.DELIVERED, delivered_at=now)(session)
        if not record_event(session, now, row, State.DELIVERED, Happened.DELIVERED, by=BY):
            late = "it had ended, but was on its way already"
            record_event(session, now, row, None, Happened.DELIVERED, by=BY, detail=late)

    return conclude


def _superseded(
    services: WorkerServices,
    invitation: ThirdPartyInvitation,
    state: State,
    happened: Happened,
    detail: str,
) -> RecordOutcome:
    """End it without onbind, and clear its event, which would keep the room from closing."""
    now, rules = services.now(), services.rules.current()

    def conclude(session: Session) -> None:
        row = _reload(session, invitation)
        invitations.reconsider_class(session, rules, row)
        _end_delivery(row, Delivery.SUPERSEDED)(session)
        if record_event(session, now, row, state, happened, by=BY, detail=detail):
            invitations.order_clearing(session, now, row)

    return conclude


def _waits_again(services: WorkerServices, invitation: ThirdPartyInvitation) -> RecordOutcome:
    """Nobody has the address any more, or the invitation has ended: it is not delivered."""

    def conclude(session: Session) -> None:
        row = _reload(session, invitation)
        _end_delivery(row, Delivery.WAITING, invitee=None)(session)
        record_event(
            session, services.now(), row, last_open_state(session, row), Happened.WAITS_AGAIN, by=BY
        )

    return conclude


def _revoked(services: WorkerServices, invitation: ThirdPartyInvitation) -> RecordOutcome:
    def conclude(session: Session) -> None:
        invitations.revoke(session, services.now(), _reload(session, invitation), by="the rules")

    return conclude


def _reload(session: Session, invitation: ThirdPartyInvitation) -> ThirdPartyInvitation:
    return session.get_one(ThirdPartyInvitation, invitation.id)


def _end_delivery(invitation: ThirdPartyInvitation, to: Delivery, **facts: object) -> RecordOutcome:
    def conclude(session: Session) -> None:
        facts.setdefault("last_error", None)
        third_party_invitations.move_delivery(
            session, invitation, source=UNFINISHED, to=to, **facts
        )

    return conclude


def _later(job: Job, now: datetime, invitation: ThirdPartyInvitation, why: str) -> Later | GiveUp:
    pause = retries.ONBIND.next_pause(job.attempts, began_at=job.created_at, now=now)
    if pause is None:
        return _give_up(invitation, why)
    if now >= job.created_at + LATE:
        log.error("invitation %s is held: %s", invitation.id, why)
    return Later(why, pause)


def _give_up(invitation: ThirdPartyInvitation, why: str) -> GiveUp:
    log.error("invitation %s is not delivered and waits for an operator: %s", invitation.id, why)
    return GiveUp(why, _end_delivery(invitation, Delivery.DEAD, last_error=why))
