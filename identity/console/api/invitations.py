"""`/invitations`: how they stand, and to send, extend, end or deliver one. People are masked."""

import uuid
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.invitations import operator_changes, search, states, views
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.invitations.search import InvitationFilter
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, NothingToDo
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards, reading

LONGEST = 365  # days
FILTERS = ("state", "delivery", "room_id", "domain", "undelivered_to")


class Extension(frame.Said):
    """The body of POST /invitations/ID/extend: how many days from now it is to stand."""

    days: int = Field(default=30, ge=1, le=LONGEST)


@frame.reads("/invitations", Deed.SEE, *FILTERS, *frame.PAGED)
def list_invitations(session: Session) -> dict[str, Any]:
    """The invitations by people, or of addresses, in the token's scope, newest first."""
    state, delivery, room, domain, undelivered_to = parameters.optional(*FILTERS)
    reading.one_of("state", state, State)
    reading.one_of("delivery", delivery, Delivery)
    wanted = InvitationFilter(
        state=State(state) if state else None,
        delivery=Delivery(delivery) if delivery else None,
        room_id=room or None,
        domain=reading.domain("domain", domain) if domain else None,
        undelivered_to=undelivered_to or None,
    )
    now, within = services.now(), scoping.invitations_within(session, guards.program().scope)
    page = search.find_page(session, now, wanted, within=within, **frame.asked_page())
    shown = views.describe_all(session, page.items, now)
    return {"items": [views.mask_people(each) for each in shown], "next": page.following}


@frame.reads("/invitations/<uuid:invitation_id>", Deed.SEE)
def show_invitation(session: Session, invitation_id: uuid.UUID) -> dict[str, Any]:
    """One invitation, with its history and its mails."""
    row = _find(session, invitation_id)
    return views.describe_whole(session, row, services.now(), is_masked=True)


@frame.writes("/invitations/<uuid:invitation_id>/resend", Deed.HANDLE_INVITATION, frame.Said)
def resend_invitation(session: Session, given: frame.Said, invitation_id: uuid.UUID) -> Answer:
    """Send its mail once more, at most once an hour."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    return _answer(session, row, operator_changes.resend(session, services.now(), who, row))


@frame.writes("/invitations/<uuid:invitation_id>/extend", Deed.HANDLE_INVITATION, Extension)
def extend_invitation(session: Session, given: Extension, invitation_id: uuid.UUID) -> Answer:
    """Let it stand for so many days from now."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    extended = operator_changes.extend(session, services.now(), who, row, days=given.days)
    return _answer(session, row, extended)


@frame.writes("/invitations/<uuid:invitation_id>/revoke", Deed.HANDLE_INVITATION, frame.Said)
def revoke_invitation(session: Session, given: frame.Said, invitation_id: uuid.UUID) -> Answer:
    """End it: nobody can register with it any more."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    return _answer(session, row, operator_changes.revoke(session, services.now(), who, row))


@frame.writes("/invitations/<uuid:invitation_id>/deliver", Deed.HANDLE_INVITATION, frame.Said)
def deliver_invitation(session: Session, given: frame.Said, invitation_id: uuid.UUID) -> Answer:
    """Tell its homeserver again at once, where that was given up."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    return _answer(session, row, operator_changes.deliver(session, services.now(), who, row))


def _answer(session: Session, row: ThirdPartyInvitation, is_done: bool) -> Answer:  # noqa: FBT001  what each deed returned
    if not is_done:
        stands = states.state_of(row, services.now())
        raise NothingToDo(f"This cannot be done with an invitation that is {stands} just now.")
    return frame.done(views.mask_people(views.describe(session, row, services.now())))


def _find(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    within = scoping.invitations_within(session, guards.program().scope)
    for found in search.find_within(session, [invitation_id], within):
        return found
    raise NothingHere
