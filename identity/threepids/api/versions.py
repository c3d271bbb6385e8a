"""Which versions of the specification are spoken, and that this is an identity server at all. S13 to S15."""

from flask import Blueprint, Response, jsonify

from identity.web.matrix_v2 import V2

from .guards import anyone

# r0.3.0 brought v2; what came since changed wording, error codes and fields that are here.
VERSIONS = ("r0.3.0", *(f"v1.{minor}" for minor in range(1, 19)))

blueprint = Blueprint("versions", __name__)
blueprint.before_request(anyone)


@blueprint.get("/_matrix/identity/versions")
def versions() -> Response:
    """Beside the versions, not below one."""
    return jsonify(versions=VERSIONS)


@blueprint.get(V2, strict_slashes=False)
def ping() -> Response:
    """Clients ask this before they believe that an identity server is here."""
    return jsonify({})
