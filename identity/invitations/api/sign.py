"""/sign-ed25519: who was given the key of an invitation has it signed for a user ID. S86."""

from flask import Blueprint, Response, jsonify

from domain_rules.user_ids import homeserver_in
from identity import problems
from identity.core.signatures import WrongKey, key_of
from identity.invitations import models as third_party_invitations
from identity.invitations import states as invitation_states
from identity.invitations.states import ENDED
from identity.threepids.api.guards import signed_in
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

blueprint = Blueprint("signing", __name__, url_prefix=V2)
blueprint.before_request(signed_in)


class Sign(Body):
    """As the specification has it."""

    mxid: Text
    token: Text
    private_key: Text


@blueprint.post("/sign-ed25519")
def sign() -> Response:
    """The user ID, the inviter and the token, signed with the key that was sent. Nothing is kept of it."""
    asked = read_body(Sign)
    if homeserver_in(asked.mxid) is None:
        raise problems.WrongParameter("mxid is no user ID.")
    try:
        key = key_of(asked.private_key)
    except WrongKey:
        raise problems.WrongParameter("private_key is not 32 bytes in base64.") from None
    with services.database.reading() as session:
        invitation = third_party_invitations.by_token(session, asked.token)
    if invitation is None or invitation_states.state_of(invitation, services.now()) in ENDED:
        raise problems.UnknownInvitation
    facts = {"mxid": asked.mxid, "sender": invitation.sender, "token": asked.token}
    return jsonify(key.sign(facts, server_name=services.settings.server_name))
