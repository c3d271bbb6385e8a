"""/api/homeserver/v1/may-invite: whether one of a homeserver's users may invite an address, asked by our module there.

Synapse shows its clients an error of its own, without a reason, for whatever store-invite refuses; what the
module refuses they are told. The answer says of the address only what the rules say of its domain.
"""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.invitations import store_invite
from identity.invitations.store_invite import Invited
from identity.web.api_guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

MAX_ID = 255  # characters of a room or user ID

blueprint = Blueprint("homeserver_invitation_check", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)

Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID)]


class Inviting(Body):
    """Who is about to invite whom, and where to."""

    sender: Id
    medium: Text
    address: Text
    room_id: Id


@blueprint.post("/may-invite")
def may_invite() -> Response:
    """By what store-invite would say a moment later."""
    asked = read_body(Inviting)
    if homeserver_of(asked.sender) != homeserver_of_module():
        raise problems.NotAllowed("This user ID belongs to another homeserver.")
    try:
        _check(asked)
    except problems.TooManyInvitations as limit:
        return _refused("too_many_invitations", retry_after_ms=limit.retry_after * 1000)
    except problems.InvitationsPaused as paused:
        return _refused("invitations_paused", **paused.further)
    except (problems.NotAllowed, problems.UnknownMedium, InvalidAddress):
        return _refused("address_not_accepted")
    except problems.AddressBound:
        return _refused("already_in_the_room")
    return jsonify({"allowed": True})


def _check(asked: Inviting) -> None:
    if asked.medium != "email":
        raise problems.UnknownMedium
    address = EmailAddress.parse(asked.address)
    anybody = services.settings.association_policy == "any"
    with services.database.reading() as session:
        store_invite.check(
            session,
            services.rules.current(),
            services.now(),
            invited=Invited(asked.address, address, asked.room_id, asked.sender, anybody=anybody),
        )


def _refused(reason: str, **further: str | int) -> Response:
    return jsonify({"allowed": False, **further, "org.guichet.reason": reason})
