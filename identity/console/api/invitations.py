"""`/invitations`: how they stand, and to send, extend, end or deliver one. People are masked."""

import uuid
from typing import Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import paging
from identity.invitations import models, operator_changes, states, views
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, NothingToDo
from identity.web import parameters
from identity.web.request_context import services

from . import frame, guards, reading

LONGEST = 365  # days


class Extension(frame.Said):
    """The body of POST /invitations/ID/extend: how many days from now it is to stand."""

    days: int = Field(default=30, ge=1, le=LONGEST)


@frame.reads("/invitations", Deed.SEE, whole=True)
def list_invitations(session: Session) -> dict[str, Any]:
    """The invitations, newest first, by the state that is stored and how far delivery has come."""
    state, delivery = parameters.optional("state", "delivery")
    reading.one_of("state", state, State)
    reading.one_of("delivery", delivery, Delivery)
    row = ThirdPartyInvitation
    query = select(row)
    if state:
        query = query.where(row.state == state)
    if delivery:
        query = query.where(row.delivery == delivery)
    page = paging.find_page(session, query, [row.created_at, row.id], **frame.asked_page())
    shown = views.describe_all(session, page.items, services.now())
    return {"items": [views.mask_people(each) for each in shown], "next": page.following}


@frame.reads("/invitations/<uuid:invitation_id>", Deed.SEE, whole=True)
def show_invitation(session: Session, invitation_id: uuid.UUID) -> dict[str, Any]:
    """One invitation, with its history and its mails."""
    row = _find(session, invitation_id)
    return views.describe_whole(session, row, services.now(), is_masked=True)


@frame.writes(
    "/invitations/<uuid:invitation_id>/resend", Deed.HANDLE_INVITATION, frame.Said, whole=True
)
def resend_invitation(session: Session, given: frame.Said, invitation_id: uuid.UUID) -> Answer:
    """Send its mail once more, at most once an hour."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    return _answer(session, row, operator_changes.resend(session, services.now(), who, row))


@frame.writes(
    "/invitations/<uuid:invitation_id>/extend", Deed.HANDLE_INVITATION, Extension, whole=True
)
def extend_invitation(session: Session, given: Extension, invitation_id: uuid.UUID) -> Answer:
    """Let it stand for so many days from now."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    extended = operator_changes.extend(session, services.now(), who, row, days=given.days)
    return _answer(session, row, extended)


@frame.writes(
    "/invitations/<uuid:invitation_id>/revoke", Deed.HANDLE_INVITATION, frame.Said, whole=True
)
def revoke_invitation(session: Session, given: frame.Said, invitation_id: uuid.UUID) -> Answer:
    """End it: nobody can register with it any more."""
    row, who = _find(session, invitation_id), guards.actor(given.reason)
    return _answer(session, row, operator_changes.revoke(session, services.now(), who, row))


@frame.writes(
    "/invitations/<uuid:invitation_id>/deliver", Deed.HANDLE_INVITATION, frame.Said, whole=True
)
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
    found = models.find(session, invitation_id)
    if found is None:
        raise NothingHere
    return found
