"""/versions and the ping of v2 (Identity Service API, "API version" and "Status check")."""

from flask import Blueprint, Response, jsonify

from identity.web.from_memory import answers_from_memory
from identity.web.guards import anyone
from identity.web.matrix_guards import V2

# r0.3.0 introduced v2; later versions changed wording, error codes and fields, all done here.
VERSIONS = ("r0.3.0", *(f"v1.{minor}" for minor in range(1, 19)))

blueprint = Blueprint("versions", __name__)
blueprint.before_request(anyone)


@blueprint.get("/_matrix/identity/versions")
@answers_from_memory
def versions() -> Response:
    """The supported versions. This path is not below a version."""
    return jsonify(versions=VERSIONS)


@blueprint.get(V2, strict_slashes=False)
@answers_from_memory
def ping() -> Response:
    """The status check by which clients recognise an identity server."""
    return jsonify({})
