"""/sign-ed25519 of the Matrix Identity Service API: signs for the holder of an invitation's key."""

from flask import Blueprint, Response, jsonify

from domain_rules.user_ids import homeserver_in
from identity import problems
from identity.core.signatures import WrongKey, read_private_key
from identity.invitations import models as third_party_invitations, states as invitation_states
from identity.invitations.states import ENDED
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_guards import V2, signed_in
from identity.web.request_context import services

blueprint = Blueprint("signing", __name__, url_prefix=V2)
blueprint.before_request(signed_in)


class Sign(Body):
    """The request body of the specification."""

    mxid: Text
    token: Text
    private_key: Text


@blueprint.post("/sign-ed25519")
def sign() -> Response:
    """Sign user ID, inviter and token with the key that was sent. Nothing of it is stored."""
    body = read_body(Sign)
    if homeserver_in(body.mxid) is None:
        raise problems.WrongParameter("mxid is no user ID.")
    try:
        key = read_private_key(body.private_key)
    except WrongKey:
        raise problems.WrongParameter("private_key is not 32 bytes in base64.") from None
    with services.database.reading() as session:
        invitation = third_party_invitations.find_by_token(session, body.token)
    if invitation is None or invitation_states.state_of(invitation, services.now()) in ENDED:
        raise problems.UnknownInvitation
    facts = {"mxid": body.mxid, "sender": invitation.sender, "token": body.token}
    return jsonify(key.sign(facts, server_name=services.settings.server_name))
