"""/pubkey of the Matrix Identity Service API: whether a key is one of ours.

Rooms hold these URLs for ever, those of API version 1 too.
"""

from flask import Blueprint, Response, jsonify

from identity.core.strict_json import is_text
from identity.invitations import models as third_party_invitations
from identity.keys import service as signing_keys
from identity.problems import KeyUnknown
from identity.web import parameters
from identity.web.guards import anyone
from identity.web.matrix_guards import V2
from identity.web.request_context import services

V1 = "/_matrix/identity/api/v1"

blueprint = Blueprint("keys", __name__)
blueprint.before_request(anyone)


@blueprint.get(f"{V2}/pubkey/<key_id>")
@blueprint.get(f"{V1}/pubkey/<key_id>")
def public_key(key_id: str) -> Response:
    """The public half of one of the service's own keys."""
    with services.database.reading() as session:
        found = signing_keys.find_public_key(session, key_id) if is_text(key_id) else None
    if found is None:
        raise KeyUnknown
    return jsonify(public_key=found)


@blueprint.get(f"{V2}/pubkey/isvalid")
@blueprint.get(f"{V1}/pubkey/isvalid")
def is_valid() -> Response:
    """Whether this is one of the service's own keys, old ones included."""
    asked = _public_key_parameter()
    with services.database.reading() as session:
        return jsonify(valid=signing_keys.is_own_key(session, asked))


@blueprint.get(f"{V2}/pubkey/ephemeral/isvalid")
@blueprint.get(f"{V1}/pubkey/ephemeral/isvalid")
def ephemeral_is_valid() -> Response:
    """Whether this is the key of an invitation that was stored here and has not ended."""
    asked = _public_key_parameter()
    with services.database.reading() as session:
        return jsonify(
            valid=is_text(asked)
            and third_party_invitations.ephemeral_key_is_valid(session, asked, services.now())
        )


def _public_key_parameter() -> str:
    # Base64 has no blanks: this one was a plus that nobody encoded.
    return parameters.as_sent("public_key").replace(" ", "+")
