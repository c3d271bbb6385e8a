"""/store-invite of the Matrix Identity Service API: invites an address nobody is known to have."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from domain_rules.address_faults import InvalidAddress
from identity import problems
from identity.accounts import classes as account_classes
from identity.invitations import store_invite
from identity.invitations.store_invite import InviteRequest
from identity.keys import service as signing_keys
from identity.web.json_body import Body, Text, read_as, read_object
from identity.web.matrix_guards import V2, caller, signed_in
from identity.web.request_context import services
from identity.web.request_record import about_address

MAX_ID = 255  # characters of a room or user ID

blueprint = Blueprint("invitations", __name__, url_prefix=V2)
blueprint.before_request(signed_in)

Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID)]


class StoreInvite(Body):
    """The request body of the specification.

    Names and pictures are read apart; further fields are ignored.
    """

    medium: Text
    address: Text
    room_id: Id
    sender: Id


@blueprint.post("/store-invite")
def store() -> Response:
    """Store the invitation until the address is bound; it is mailed once the room holds it."""
    sent = read_object()
    if sent.get("medium", "email") != "email":
        raise problems.UnknownMedium
    body = read_as(StoreInvite, sent)
    if body.sender != caller().user_id:
        raise problems.NotYourself
    rules, now = services.rules.current(), services.now()
    try:
        address = rules.read(body.address)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    about_address(address.canonical)
    invited = InviteRequest(
        *(body.address, address, body.room_id, body.sender, sent),
        anybody=services.settings.association_policy == "any",
    )
    fresh = store_invite.new_ephemeral_key(services.vault)  # before the locks: others wait for them
    with services.database.transaction() as session:
        facts = store_invite.look(session, rules, now, invited)
        if not account_classes.is_agent(session, rules, body.sender):
            raise problems.NotAllowed("Guests do not invite.")
        key = facts.signing_key or signing_keys.current_key(session, services.vault, now)
        invitation = store_invite.store(
            session,
            rules,
            now,
            invited=invited,
            key=fresh,
            signing_key_id=key.key_id,
            facts=facts,
        )
        lasting = key.public
        if invitation.signing_key_id != key.key_id:
            # An invitation that existed before keeps the key that its room knows.
            lasting = signing_keys.find_public_key(session, invitation.signing_key_id) or lasting
    keys = store_invite.keys_of(invitation, lasting, services.settings.public_url)
    return jsonify(token=invitation.token, **keys)
