"""/api/homeserver/v1/invitations: a homeserver shows and changes its users' invitations."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress, canonical_or_typed
from identity.accounts import classes as account_classes
from identity.invitations import (
    inviters,
    models as third_party_invitations,
    record as invitation_record,
    search as invitation_search,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.search import Cursor, InvitationFilter
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
from identity.web.guards import module_in_homeserver, own_user
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
    """For how many days from now an invitation is extended."""

    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = invitations.LIFETIME_DAYS


@blueprint.get("")
def of_sender() -> Response:
    """A user's invitations, newest first. `next`: the value of `after` for the next page."""
    (sender,) = parameters.required("sender")
    state, room_id, address, after, limit = parameters.optional(
        "state", "room_id", "address", "after", "limit"
    )
    wanted = InvitationFilter(
        state=_state(state),
        sender=own_user(sender),
        room_id=room_id,
        address=address and canonical_or_typed(address),
    )
    size, now = _page_size(limit), services.now()
    with services.database.reading() as session:
        page = invitation_search.find(
            session, now, wanted, limit=size + 1, after=_read_cursor(after)
        )
    shown = [invitation_record.summary_for_inviter(row, now) for row in page[:size]]
    return jsonify(invitations=shown, next=_cursor(page[size - 1]) if len(page) > size else None)


@blueprint.get("/<uuid:invitation_id>")
def one(invitation_id: uuid.UUID) -> Response:
    """One invitation with its history and mails."""
    (sender,) = parameters.required("sender")
    with services.database.reading() as session:
        row = _find(session, invitation_id, own_user(sender))
        return jsonify(invitation_record.describe_for_inviter(session, services.now(), row))


@blueprint.post("/<uuid:invitation_id>/resend")
def resend(invitation_id: uuid.UUID) -> Response:
    """Send its mail once more."""
    body = read_body(ForSender)
    with _invitation_to_change(invitation_id, body) as (session, now, row):
        _check_may_invite(session, row)
        if not invitations.resend(session, now, row, by=body.sender, hashes=services.hashes):
            raise _resend_problem(session, now, row)
        return jsonify(invitation_record.describe_for_inviter(session, now, row))


@blueprint.post("/<uuid:invitation_id>/revoke")
def revoke(invitation_id: uuid.UUID) -> Response:
    """End it."""
    body = read_body(ForSender)
    with _invitation_to_change(invitation_id, body) as (session, now, row):
        if not invitations.revoke(session, now, row, by=body.sender):
            raise InvitationOver
        return jsonify(invitation_record.describe_for_inviter(session, now, row))


@blueprint.post("/<uuid:invitation_id>/extend")
def extend(invitation_id: uuid.UUID) -> Response:
    """Extend it, or reopen an expired one."""
    body = read_body(Extension)
    with _invitation_to_change(invitation_id, body) as (session, now, row):
        _check_may_invite(session, row)
        if not invitations.extend(session, now, row, by=body.sender, days=body.days):
            raise InvitationOver
        return jsonify(invitation_record.describe_for_inviter(session, now, row))


@contextmanager
def _invitation_to_change(
    invitation_id: uuid.UUID, body: ForSender
) -> Iterator[tuple[Session, datetime, ThirdPartyInvitation]]:
    """The invitation of this sender, in a writing transaction."""
    sender = own_user(body.sender)
    with services.database.transaction() as session:
        yield session, services.now(), _find(session, invitation_id, sender)


def _resend_problem(session: Session, now: datetime, row: ThirdPartyInvitation) -> Problem:
    if not invitation_states.is_open(row, now):
        return InvitationOver()
    if row.awaits:
        return InvitationHeld()
    again_at = invitations.resend_allowed_at(session, now, row)
    return TooManyMails(max(1, int((again_at - now).total_seconds())))


def _check_may_invite(session: Session, row: ThirdPartyInvitation) -> None:
    """Raises NotAllowed for a sender who has become a guest, and Stopped for what operators stopped.

    They may still revoke their invitations, but not extend or resend them.
    """
    rules = services.rules.current()
    if not account_classes.is_agent(session, rules, row.sender):
        raise NotAllowed("Guests do not invite.")
    address = EmailAddress.stored(row.address) if "@" in row.address else None
    inviters.check_may_invite(session, rules, services.now(), row.sender, address)


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


def _page_size(limit: str | None) -> int:
    if limit is None:
        return PAGE
    is_number = limit.isascii() and limit.isdecimal() and len(limit) <= len(str(MAX_PAGE))
    if not (is_number and 1 <= int(limit) <= MAX_PAGE):
        raise WrongParameter(f"limit is a number from 1 to {MAX_PAGE}.")
    return int(limit)


def _cursor(row: ThirdPartyInvitation) -> str:
    return f"{(row.created_at - EPOCH) // MICROSECOND}-{row.id.hex}"


def _read_cursor(after: str | None) -> Cursor | None:
    if after is None:
        return None
    found = CURSOR.fullmatch(after)
    if found is None:
        raise WrongParameter("after is no place in the list: take it from `next`.")
    return Cursor(EPOCH + int(found[1]) * MICROSECOND, uuid.UUID(found[2]))
