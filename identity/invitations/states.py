"""The states of an invitation, and the one function that changes them and writes the history."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import metrics
from identity.core.database import count_after_commit

from . import history as invitation_events, models as third_party_invitations
from .history import Happened
from .models import OPEN, State, ThirdPartyInvitation

ENDED = (State.DECLINED, State.REVOKED, State.EXPIRED)


@dataclass(frozen=True)
class Transition:
    """The states in which an event can happen, and those to which it may lead."""

    source: tuple[State, ...]
    to: tuple[State, ...]


# Events that are missing here can happen in every state and change none.
TRANSITIONS = {
    Happened.MAILED: Transition((State.REFUSED,), (State.QUEUED,)),
    Happened.SENT: Transition(OPEN, (State.SENT,)),
    Happened.REFUSED: Transition(OPEN, (State.REFUSED,)),
    Happened.ACCEPTED: Transition(OPEN, (State.ACCEPTED,)),
    Happened.WAITS_AGAIN: Transition((State.ACCEPTED,), OPEN),
    Happened.DELIVERED: Transition((State.ACCEPTED,), (State.DELIVERED,)),
    Happened.JOINED: Transition((State.ACCEPTED, State.DELIVERED), (State.JOINED,)),
    Happened.DECLINED: Transition((*OPEN, State.ACCEPTED, State.DELIVERED), (State.DECLINED,)),
    Happened.UNKNOWN_INVITER: Transition(OPEN, (State.DECLINED,)),
    Happened.TAKEN_BACK: Transition((State.DECLINED,), OPEN),
    Happened.REVOKED: Transition((*OPEN, State.ACCEPTED), (State.REVOKED,)),
    Happened.NOT_IN_ROOM: Transition(OPEN, (State.REVOKED,)),
    Happened.EXPIRED: Transition(OPEN, (State.EXPIRED,)),
    Happened.EXTENDED: Transition((State.EXPIRED,), OPEN),
}


def state_of(invitation: ThirdPartyInvitation, now: datetime) -> State:
    """The state now: an invitation past its time is expired before the timetable records it."""
    state = State(invitation.state)
    return State.EXPIRED if state in OPEN and now >= invitation.expires_at else state


def is_open(invitation: ThirdPartyInvitation, now: datetime) -> bool:
    """Whether it waits for the invited person's answer."""
    return state_of(invitation, now) in OPEN


def is_live(invitation: ThirdPartyInvitation, now: datetime) -> bool:
    """Whether it is open, or accepted and on its way to the room."""
    return state_of(invitation, now) in {*OPEN, State.ACCEPTED}


def record_event(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    state: State | None,
    happened: Happened,
    *,
    by: str,
    detail: str | None = None,
) -> bool:
    """Record an event and move the invitation to `state` (None: it stays where it is).

    Returns False, and writes nothing, if the event cannot happen in its state any more. Of two
    concurrent calls that move it, one succeeds. Raises ValueError for a state the event never leads
    to.
    """
    if state is not None:
        move = TRANSITIONS[happened]
        if state not in move.to:
            raise ValueError(f"{happened} does not lead to {state}")
        ended_at = min(now, invitation.expires_at) if state is State.EXPIRED else now
        if not third_party_invitations.move_state(
            session,
            invitation,
            source=move.source,
            to=state,
            ended_at=ended_at if state in ENDED else None,
        ):
            return False
        count_after_commit(session, metrics.INVITATION_CHANGES, state=state.value)
    invitation_events.add_event(session, invitation.id, now, happened, by=by, detail=detail)
    session.flush()
    return True


def record_event_of_all(
    session: Session,
    now: datetime,
    invitations: Collection[ThirdPartyInvitation],
    state: State,
    happened: Happened,
    *,
    by: str,
) -> None:
    """Record an event that moves several invitations to a state in which they are open.

    As `record_event` does for each. The objects that are given stay as they are.
    """
    move = TRANSITIONS[happened]
    if state not in move.to or state in ENDED:
        raise ValueError(f"{happened} does not lead to {state}")
    moved = third_party_invitations.move_states(session, invitations, source=move.source, to=state)
    for each in sorted(moved):
        count_after_commit(session, metrics.INVITATION_CHANGES, state=state.value)
        invitation_events.add_event(session, each, now, happened, by=by)
    session.flush()


def last_open_state(session: Session, invitation: ThirdPartyInvitation) -> State:
    """The state it had when it was last open: how far its mail had come."""
    state = State.QUEUED
    for event in invitation_events.find_events(session, invitation.id):
        if event.happened in {Happened.SENT, Happened.REFUSED}:
            state = State(event.happened)
        elif event.happened == Happened.MAILED and state is State.REFUSED:
            state = State.QUEUED
    return state
