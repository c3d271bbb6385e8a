"""Where an invitation stands, and the one place that moves it and writes its history."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from . import history as invitation_events
from . import models as third_party_invitations
from .history import Happened
from .models import OPEN, State, ThirdPartyInvitation

ENDED = (State.DECLINED, State.REVOKED, State.EXPIRED)


@dataclass(frozen=True)
class Move:
    """From which states something can happen, and where it may lead."""

    source: tuple[State, ...]
    to: tuple[State, ...]


# What is not here can happen in every state and moves nothing.
MOVES = {
    Happened.MAILED: Move((State.REFUSED,), (State.QUEUED,)),
    Happened.SENT: Move(OPEN, (State.SENT,)),
    Happened.REFUSED: Move(OPEN, (State.REFUSED,)),
    Happened.ACCEPTED: Move(OPEN, (State.ACCEPTED,)),
    Happened.WAITS_AGAIN: Move((State.ACCEPTED,), OPEN),
    Happened.DELIVERED: Move((State.ACCEPTED,), (State.DELIVERED,)),
    Happened.JOINED: Move((State.ACCEPTED, State.DELIVERED), (State.JOINED,)),
    Happened.DECLINED: Move((*OPEN, State.ACCEPTED, State.DELIVERED), (State.DECLINED,)),
    Happened.UNKNOWN_INVITER: Move(OPEN, (State.DECLINED,)),
    Happened.TAKEN_BACK: Move((State.DECLINED,), OPEN),
    Happened.REVOKED: Move((*OPEN, State.ACCEPTED), (State.REVOKED,)),
    Happened.NOT_IN_ROOM: Move(OPEN, (State.REVOKED,)),
    Happened.EXPIRED: Move(OPEN, (State.EXPIRED,)),
    Happened.EXTENDED: Move((State.EXPIRED,), OPEN),
}


def state_of(invitation: ThirdPartyInvitation, now: datetime) -> State:
    """Where it stands now: that its time ran out is seen before the timetable comes by."""
    state = State(invitation.state)
    return State.EXPIRED if state in OPEN and now >= invitation.expires_at else state


def is_open(invitation: ThirdPartyInvitation, now: datetime) -> bool:
    """Whether it waits for the invited person's answer."""
    return state_of(invitation, now) in OPEN


def is_live(invitation: ThirdPartyInvitation, now: datetime) -> bool:
    """Whether it is open, or taken up and on its way to the room."""
    return state_of(invitation, now) in {*OPEN, State.ACCEPTED}


def record(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    state: State | None,
    happened: Happened,
    *,
    by: str,
    detail: str | None = None,
) -> bool:
    """Write what happened and move the invitation there (None: it stays where it is).

    False, and nothing is written: the invitation is where this cannot happen any more. Of two that
    move it at once, one does.
    """
    if state is not None:
        move = MOVES[happened]
        if state not in move.to:
            raise ValueError(f"{happened} does not lead to {state}")
        ended_at = min(now, invitation.expires_at) if state is State.EXPIRED else now
        if not third_party_invitations.enter(
            session,
            invitation,
            source=move.source,
            to=state,
            ended_at=ended_at if state in ENDED else None,
        ):
            return False
    invitation_events.add(session, invitation.id, now, happened, by=by, detail=detail)
    session.flush()
    return True


def last_open(session: Session, invitation: ThirdPartyInvitation) -> State:
    """How far its mail had come when it was last open."""
    state = State.QUEUED
    for event in invitation_events.of_invitation(session, invitation.id):
        if event.happened in {Happened.SENT, Happened.REFUSED}:
            state = State(event.happened)
        elif event.happened == Happened.MAILED and state is State.REFUSED:
            state = State.QUEUED
    return state
