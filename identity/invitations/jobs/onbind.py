"""The homeserver of who bound an address is told of an invitation, after it was asked who they are in the room.

Told of somebody who has joined, Synapse puts them back to "invited". So it is asked before each time, the
first too, and what is about to be sent is written down before. A homeserver where nobody can be asked is told once.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.accounts import classes as account_classes
from identity.core import outbox
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Job, JobKind, Lane
from identity.homeservers import models as homeservers
from identity.homeservers import onbind_client as third_party_invites
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.homeservers.onbind_client import Unsure
from identity.invitations import models as third_party_invitations
from identity.invitations import service as invitations
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.invitations.states import last_open, record
from identity.mail import models as mails
from identity.problems import NotOfFederation
from identity.services import WorkerServices
from identity.threepids import associations

from . import standings
from .standings import NobodyToAsk

log = logging.getLogger(__name__)

BY = "worker"
GIVE_UP = timedelta(days=14)
DELAYS = (
    timedelta(seconds=1),
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
)
LATE = timedelta(minutes=10)  # of what is held: from then on it is an error in the log
THERE = {"join", "invite"}
ENDS = {
    "join": (State.JOINED, Happened.JOINED, "was in the room already: nothing was sent"),
    "invite": (State.DELIVERED, Happened.DELIVERED, "was invited already: nothing was sent"),
    "ban": (State.REVOKED, Happened.REVOKED, "is banned from the room: nothing was sent"),
}
"""Of whom nothing is told: how their invitation ends."""
BEGUN = (Delivery.DUE, Delivery.SENDING)


def deliver(services: WorkerServices, entry: Job) -> Note:
    """Bring one invitation to the homeserver of the invited person, if it has not come there yet."""
    with services.database.reading() as session:
        invitation = third_party_invitations.find(session, entry.subject_id)
        if invitation is None or invitation.delivery not in BEGUN:
            return nothing
        may_invite = account_classes.is_agent(session, services.rules.current(), invitation.sender)
        bound = associations.of_address(session, invitation.address)
        others = third_party_invitations.same_room(session, invitation)
        invitee = bound.user_id if bound else None
    if invitation.delivery == Delivery.SENDING:
        if _has_arrived(services, entry, invitation):
            return _delivered(services, invitation)
        _write(services, invitation, Delivery.DUE)
    if invitee is None or invitation.ended_at is not None:
        return _waits_again(services, invitation)
    if not may_invite:
        # Rules change: who was an agent when they invited may be none by now.
        return _revoked(services, invitation)
    if any(_covers(other, invitation, invitee) for other in others):
        detail = "by another invitation to the same room"
        return _needless(services, invitation, State.DELIVERED, Happened.DELIVERED, detail)
    return _ask_and_send(services, entry, invitation, invitee)


def _ask_and_send(
    services: WorkerServices, entry: Job, invitation: ThirdPartyInvitation, invitee: str
) -> Note:
    with services.database.reading() as session:
        home = homeservers.find(session, homeserver_of(invitee))
    if home is None:
        raise _dead(invitation, f"{homeserver_of(invitee)} is not registered")
    try:
        membership, can_ask = _membership(services, entry, invitation, invitee), True
    except NobodyToAsk:
        membership, can_ask = None, False
    if membership in ENDS:
        return _needless(services, invitation, *ENDS[membership])
    return _send(services, entry, invitation, invitee, home, can_ask=can_ask)


def _send(
    services: WorkerServices,
    entry: Job,
    invitation: ThirdPartyInvitation,
    invitee: str,
    home: Homeserver,
    *,
    can_ask: bool,
) -> Note:
    told = told_of(services, invitation, invitee)
    if not _claim(services, invitation, invitee):
        raise _later(
            entry, services.now(), invitation, "another one to the same room is on its way"
        )
    try:
        with services.federation.talk(home.name, seconds=third_party_invites.SECONDS) as talk:
            third_party_invites.tell(talk, told)
    except Away as away:
        if away.sent and not can_ask:
            raise _dead(invitation, f"told once, and nobody to ask: {away}") from None
        _write(services, invitation, Delivery.DUE)
        raise _later(entry, services.now(), invitation, str(away)) from None
    except (Refused, NotOfFederation) as refused:
        raise _dead(invitation, str(refused)) from None
    except Unsure as unsure:
        if not can_ask:
            raise _dead(invitation, f"uncertain, and nobody to ask: {unsure}") from None
        # It stays "sending": the next attempt begins by asking.
        raise Later(f"uncertain: {unsure}", DELAYS[1]) from None
    return _delivered(services, invitation)


def _covers(other: ThirdPartyInvitation, invitation: ThirdPartyInvitation, invitee: str) -> bool:
    """Whether this one would only repeat, to the same person and room, what was delivered since."""
    return (
        other.invitee == invitee
        and other.delivered_at is not None
        and other.delivered_at >= invitation.created_at
    )


def _claim(services: WorkerServices, invitation: ThirdPartyInvitation, invitee: str) -> bool:
    """Write down that it is about to be sent; of several to the same room one goes first."""
    with services.database.transaction() as session:
        mails.lock_address(session, invitation.address)
        others = third_party_invitations.same_room(session, invitation)
        if any(o.delivery == Delivery.SENDING or _covers(o, invitation, invitee) for o in others):
            return False
        return third_party_invitations.move(
            session,
            invitation,
            source=(Delivery.DUE,),
            to=Delivery.SENDING,
            invitee=invitee,
            attempted_at=services.now(),
        )


def _has_arrived(services: WorkerServices, entry: Job, invitation: ThirdPartyInvitation) -> bool:
    try:
        membership = _membership(services, entry, invitation, invitation.invitee or "")
    except NobodyToAsk:
        if invitation.ended_at is not None:
            return False  # nothing more is sent, so nobody has to look into it
        why = "an earlier attempt ended uncertain, and there is nobody to ask"
        raise _dead(invitation, why) from None
    return membership in THERE


def _membership(
    services: WorkerServices, entry: Job, invitation: ThirdPartyInvitation, user_id: str
) -> str | None:
    """Raises NobodyToAsk; Later, or GiveUp in the end, where who could tell does not answer."""
    try:
        return standings.ask(
            services, user_id=user_id, room_id=invitation.room_id, inviter=invitation.sender
        )
    except Away as silent:
        raise _later(entry, services.now(), invitation, str(silent)) from None


def told_of(
    services: WorkerServices, invitation: ThirdPartyInvitation, invitee: str
) -> dict[str, Any]:
    """What the homeserver is told: the association, and the invitation signed with the key its room knows."""
    about = {"medium": "email", "address": invitation.address, "mxid": invitee}
    signed = services.sign({"mxid": invitee, "token": invitation.token}, invitation.signing_key_id)
    invite = about | {
        "room_id": invitation.room_id,
        "sender": invitation.sender,
        "signed": signed,
    }
    return about | {"invites": [invite]}


def _write(
    services: WorkerServices, invitation: ThirdPartyInvitation, to: Delivery, **facts: object
) -> None:
    with services.database.transaction() as session:
        third_party_invitations.move(session, invitation, source=BEGUN, to=to, **facts)


def _delivered(services: WorkerServices, invitation: ThirdPartyInvitation) -> Note:
    now, rules = services.now(), services.rules.current()

    def conclude(session: Session) -> None:
        row = _row(session, invitation)
        invitations.reconsider(session, rules, row)
        _to(row, Delivery.DELIVERED, delivered_at=now)(session)
        if not record(session, now, row, State.DELIVERED, Happened.DELIVERED, by=BY):
            late = "it had ended, but was on its way already"
            record(session, now, row, None, Happened.DELIVERED, by=BY, detail=late)

    return conclude


def _needless(
    services: WorkerServices,
    invitation: ThirdPartyInvitation,
    state: State,
    happened: Happened,
    detail: str,
) -> Note:
    """Nothing is told. Its event leaves the room, which it would keep from closing."""
    now, rules = services.now(), services.rules.current()

    def conclude(session: Session) -> None:
        row = _row(session, invitation)
        invitations.reconsider(session, rules, row)
        _to(row, Delivery.SUPERSEDED)(session)
        if record(session, now, row, state, happened, by=BY, detail=detail):
            outbox.enqueue(session, JobKind.REVOCATION, row.id, now, lane=Lane.NORMAL)

    return conclude


def _waits_again(services: WorkerServices, invitation: ThirdPartyInvitation) -> Note:
    """Nobody has the address any more, or the invitation has ended: nothing is told."""

    def conclude(session: Session) -> None:
        row = _row(session, invitation)
        _to(row, Delivery.WAITING, invitee=None)(session)
        record(session, services.now(), row, last_open(session, row), Happened.WAITS_AGAIN, by=BY)

    return conclude


def _revoked(services: WorkerServices, invitation: ThirdPartyInvitation) -> Note:
    def conclude(session: Session) -> None:
        invitations.revoke(session, services.now(), _row(session, invitation), by="the rules")

    return conclude


def _row(session: Session, invitation: ThirdPartyInvitation) -> ThirdPartyInvitation:
    return session.get_one(ThirdPartyInvitation, invitation.id)


def _to(invitation: ThirdPartyInvitation, to: Delivery, **facts: object) -> Note:
    def conclude(session: Session) -> None:
        facts.setdefault("last_error", None)
        third_party_invitations.move(session, invitation, source=BEGUN, to=to, **facts)

    return conclude


def _later(entry: Job, now: datetime, invitation: ThirdPartyInvitation, why: str) -> Later | GiveUp:
    delay = DELAYS[min(entry.attempts, len(DELAYS)) - 1]
    if now + delay > entry.created_at + GIVE_UP:
        return _dead(invitation, why)
    if now >= entry.created_at + LATE:
        log.error("invitation %s is held: %s", invitation.id, why)
    return Later(why, delay)


def _dead(invitation: ThirdPartyInvitation, why: str) -> GiveUp:
    log.error("invitation %s is not delivered and waits for an operator: %s", invitation.id, why)
    return GiveUp(why, _to(invitation, Delivery.DEAD, last_error=why))
