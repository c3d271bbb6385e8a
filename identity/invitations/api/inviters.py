"""/api/homeserver/v1/invitations: a homeserver shows its users what became of those they invited, and acts for them."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.addresses import canonical_or_typed
from identity.accounts import classes as account_classes
from identity.invitations import models as third_party_invitations
from identity.invitations import record as invitation_record
from identity.invitations import search as invitation_search
from identity.invitations import service as invitations
from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.search import Place, Wanted
from identity.problems import (
    InvitationHeld,
    InvitationOver,
    NoSuchInvitation,
    NotAllowed,
    Problem,
    TooManyMails,
    WrongParameter,
)
from identity.web import parameters
from identity.web.api_guards import module_in_homeserver, own_user
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

PAGE = 50
MAX_PAGE = 200
MAX_DAYS = 90
CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})")
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

blueprint = Blueprint(
    "invitations_of_homeserver", __name__, url_prefix="/api/homeserver/v1/invitations"
)
blueprint.before_request(module_in_homeserver)


class ForSender(Body):
    """For which of its users a homeserver acts."""

    sender: Text


class Extension(ForSender):
    """How long an invitation shall stand from now."""

    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = invitations.LIFETIME_DAYS


@blueprint.get("")
def of_sender() -> Response:
    """What one user invited, newest first; `next` is the `after` of the next page."""
    (sender,) = parameters.required("sender")
    state, room_id, address, after, limit = parameters.optional(
        "state", "room_id", "address", "after", "limit"
    )
    wanted = Wanted(
        state=_state(state),
        sender=own_user(sender),
        room_id=room_id,
        address=address and canonical_or_typed(address),
    )
    size, now = _size(limit), services.now()
    with services.database.reading() as session:
        page = invitation_search.find(session, now, wanted, limit=size + 1, after=_place(after))
    shown = [invitation_record.summary_for_inviter(row, now) for row in page[:size]]
    return jsonify(invitations=shown, next=_cursor(page[size - 1]) if len(page) > size else None)


@blueprint.get("/<uuid:invitation_id>")
def one(invitation_id: uuid.UUID) -> Response:
    """One invitation, with what happened to it and what became of its mails."""
    (sender,) = parameters.required("sender")
    with services.database.reading() as session:
        row = _find(session, invitation_id, own_user(sender))
        return jsonify(invitation_record.for_inviter(session, services.now(), row))


@blueprint.post("/<uuid:invitation_id>/resend")
def resend(invitation_id: uuid.UUID) -> Response:
    """Send its mail once more."""
    asked = read_body(ForSender)
    with _changed(invitation_id, asked) as (session, now, row):
        _check_agent(session, asked.sender)
        if not invitations.resend(session, now, row, by=asked.sender, hashes=services.hashes):
            raise _not_again(session, now, row)
        return jsonify(invitation_record.for_inviter(session, now, row))


@blueprint.post("/<uuid:invitation_id>/revoke")
def revoke(invitation_id: uuid.UUID) -> Response:
    """End it."""
    asked = read_body(ForSender)
    with _changed(invitation_id, asked) as (session, now, row):
        if not invitations.revoke(session, now, row, by=asked.sender):
            raise InvitationOver
        return jsonify(invitation_record.for_inviter(session, now, row))


@blueprint.post("/<uuid:invitation_id>/extend")
def extend(invitation_id: uuid.UUID) -> Response:
    """Let it stand longer, or again."""
    asked = read_body(Extension)
    with _changed(invitation_id, asked) as (session, now, row):
        _check_agent(session, asked.sender)
        if not invitations.extend(session, now, row, by=asked.sender, days=asked.days):
            raise InvitationOver
        return jsonify(invitation_record.for_inviter(session, now, row))


@contextmanager
def _changed(
    invitation_id: uuid.UUID, asked: ForSender
) -> Iterator[tuple[Session, datetime, ThirdPartyInvitation]]:
    """The invitation of this sender, in a writing transaction."""
    sender = own_user(asked.sender)
    with services.database.transaction() as session:
        yield session, services.now(), _find(session, invitation_id, sender)


def _not_again(session: Session, now: datetime, row: ThirdPartyInvitation) -> Problem:
    if not invitations.is_open(row, now):
        return InvitationOver()
    if row.awaits:
        return InvitationHeld()
    again_at = invitations.again_at(session, now, row)
    return TooManyMails(max(1, int((again_at - now).total_seconds())))


def _check_agent(session: Session, sender: str) -> None:
    """Who has become a guest since takes back what they sent, and lets nothing stand longer. Raises NotAllowed."""
    if not account_classes.is_agent(session, services.rules.current(), sender):
        raise NotAllowed("Guests do not invite.")


def _find(session: Session, invitation_id: uuid.UUID, sender: str) -> ThirdPartyInvitation:
    row = third_party_invitations.find(session, invitation_id)
    if row is None or row.sender != sender:
        raise NoSuchInvitation
    return row


def _state(name: str | None) -> State | None:
    try:
        return None if name is None else State(name)
    except ValueError:
        raise WrongParameter(f"The states are {', '.join(State)}.") from None


def _size(limit: str | None) -> int:
    if limit is None:
        return PAGE
    is_number = limit.isascii() and limit.isdecimal() and len(limit) <= len(str(MAX_PAGE))
    if not (is_number and 1 <= int(limit) <= MAX_PAGE):
        raise WrongParameter(f"limit is a number from 1 to {MAX_PAGE}.")
    return int(limit)


def _cursor(row: ThirdPartyInvitation) -> str:
    return f"{(row.created_at - EPOCH) // MICROSECOND}-{row.id.hex}"


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    found = CURSOR.fullmatch(after)
    if found is None:
        raise WrongParameter("after is no place in the list: take it from `next`.")
    return Place(EPOCH + int(found[1]) * MICROSECOND, uuid.UUID(found[2]))
