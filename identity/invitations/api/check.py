"""/api/homeserver/v1/may-invite: our module asks whether a user may invite an address.

Synapse answers whatever store-invite refuses with an error of its own, without a reason. What the
module refuses beforehand, clients show with its reason. The answer reveals of the address only what
the rules say about its domain.
"""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.invitations import store_invite
from identity.invitations.store_invite import InviteRequest
from identity.web.guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services
from identity.web.request_record import about_address

MAX_ID = 255  # characters of a room or user ID

blueprint = Blueprint("homeserver_invitation_check", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)

Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID)]


class MayInvite(Body):
    """Who is about to invite whom, and to which room."""

    sender: Id
    medium: Text
    address: Text
    room_id: Id


@blueprint.post("/may-invite")
def may_invite() -> Response:
    """What store-invite would answer a moment later."""
    body = read_body(MayInvite)
    if homeserver_of(body.sender) != homeserver_of_module():
        raise problems.NotAllowed("This user ID belongs to another homeserver.")
    try:
        _check(body)
    except problems.TooManyInvitations as limit:
        return _refused("too_many_invitations", retry_after_ms=limit.retry_after * 1000)
    except problems.Stopped as stopped:
        return _refused(stopped.reason, **stopped.further)
    except problems.InvitationsPaused as paused:
        return _refused("invitations_paused", **paused.further)
    except (problems.NotAllowed, problems.UnknownMedium, InvalidAddress):
        return _refused("address_not_accepted")
    except problems.AddressBound:
        return _refused("already_in_the_room")
    return jsonify({"allowed": True})


def _check(body: MayInvite) -> None:
    if body.medium != "email":
        raise problems.UnknownMedium
    address = EmailAddress.parse(body.address)
    about_address(address.canonical)
    anybody = services.settings.association_policy == "any"
    with services.database.reading() as session:
        store_invite.check(
            session,
            services.rules.current(),
            services.now(),
            invited=InviteRequest(
                body.address, address, body.room_id, body.sender, anybody=anybody
            ),
        )


def _refused(reason: str, **further: str | int) -> Response:
    return jsonify({"allowed": False, **further, "org.guichet.reason": reason})
